import { openSession } from "@sightline/graph";
import type { WeightSource } from "@sightline/weights";
import type { Checkpoint, OpenCheckpointOptions, PatchGrid, VisionPart } from "../checkpoint.js";
import { loadSiglipConfig } from "../config/load-siglip-config.js";
import { patchGrid, type SiglipVisionConfig } from "../models/siglip-vision.js";
import { preprocess, resizeFor, reusablePixels, type Preprocessing } from "../pixels/preprocess.js";
import { siglipPatchEmbeddingGraph, siglipVisionGraph } from "../siglip-graphs.js";
import { openSiglipTowers } from "./siglip-checkpoint.js";

/** Sides of the largest image that a preprocessor may ask for. */
const maxImageSize = 8192;

/**
 * SigLIP, and SigLIP 2 of one fixed resolution (`model_type: "siglip"`), from a Hugging Face directory; at the
 * checkpoint's resolution or, on interpolated positions, at another.
 * @throws ConfigError naming the file and the field; WeightsError naming the tensor, its expected and its actual shape;
 * RangeError for an image size that holds no patch
 */
export async function openSiglipCheckpoint(directory: string, options: OpenCheckpointOptions): Promise<Checkpoint> {
  const { signal } = options;
  const { config, preprocessing } = await loadSiglipConfig(directory, signal ? { signal } : {});
  const imageSize = options.imageSize ?? config.vision.imageSize;
  if (!Number.isInteger(imageSize) || imageSize < config.vision.patchSize || imageSize > maxImageSize) {
    throw new RangeError(`loadSiglip: expected imageSize from ${config.vision.patchSize}, one patch, to ${maxImageSize} pixels, got ${imageSize}`);
  }
  const vision = { ...config.vision, imageSize };
  const resize = { ...preprocessing, width: imageSize, height: imageSize };
  return openSiglipTowers(directory, config, options, (source) => visionPart(vision, resize, patchGrid(config.vision), source));
}

function visionPart(config: SiglipVisionConfig, preprocessing: Preprocessing, trainedGrid: PatchGrid, source: WeightSource): VisionPart {
  const graph = siglipVisionGraph(config, source, trainedGrid);
  const grid = patchGrid(config);
  return {
    graph,
    width: config.width,
    pooledWidth: config.width,
    resize: (image) => resizeFor(image, preprocessing),
    prepare: (images, reuse) => {
      const { data, shape } = preprocess(images, preprocessing, reusablePixels(reuse, images.length, preprocessing));
      return { feeds: { pixels: { dtype: "float32", shape, data } }, grids: images.map(() => grid), patches: grid.rows * grid.columns };
    },
    open: (options) => openSession(graph, options),
    openPatchEmbeddings: (options) => openSession(siglipPatchEmbeddingGraph(config, source), options),
  };
}
