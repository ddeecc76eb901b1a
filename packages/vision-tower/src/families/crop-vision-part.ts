import { Graph, openSession, type Tensor } from "@sightline/graph";
import type { VisionPart } from "../checkpoint.js";
import type { VisionOutputs } from "../models/clip.js";
import { patchesOf, patchGrid, type SiglipVisionConfig } from "../models/siglip-vision.js";
import { reusablePixels } from "../pixels/preprocess.js";
import { preprocessCropped, resizedForCrop, type CropPreprocessing } from "../pixels/resize-crop.js";

/**
 * A vision tower whose images are cropped to a square.
 * @param pooledWidth the width of its pooled embedding
 * @param build makes the tower's outputs of patches, float32[B, P, 3·p·p]
 */
export function cropVisionPart(
  config: SiglipVisionConfig,
  pooledWidth: number,
  preprocessing: CropPreprocessing,
  build: (graph: Graph, patches: Tensor) => VisionOutputs,
): VisionPart {
  const { width, imageSize, patchSize } = config;
  const graph = new Graph();
  const { patchTokens, pooled } = build(graph, patchesOf(graph.input("pixels", "float32", ["B", 3, imageSize, imageSize]), patchSize));
  graph.output("patchTokens", patchTokens);
  graph.output("pooled", pooled);
  const grid = patchGrid(config);
  return {
    graph,
    width,
    pooledWidth,
    resize: (image) => resizedForCrop(image, preprocessing),
    prepare: (images, reuse) => {
      const { data, shape } = preprocessCropped(images, preprocessing, reusablePixels(reuse, images.length, { width: imageSize, height: imageSize }));
      return { feeds: { pixels: { dtype: "float32", shape, data } }, grids: images.map(() => grid), patches: grid.rows * grid.columns };
    },
    open: (options) => openSession(graph, options),
  };
}

/**
 * The side that images are cropped to: the one that was asked for, or the checkpoint's own.
 * @throws RangeError for one that holds no patch
 */
export function askedImageSize(asked: number | undefined, own: number, patchSize: number): number {
  const imageSize = asked ?? own;
  if (!Number.isInteger(imageSize) || imageSize < patchSize || imageSize > maxImageSize) {
    throw new RangeError(`loadVisionTower: expected imageSize from ${patchSize}, one patch, to ${maxImageSize} pixels, got ${imageSize}`);
  }
  return imageSize;
}

/** Side of the largest image that a preprocessor may ask for. */
const maxImageSize = 8192;
