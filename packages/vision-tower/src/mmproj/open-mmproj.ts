import path from "node:path";
import { Graph, openSession } from "@sightline/graph";
import { openWeights, WeightsError, type WeightSource } from "@sightline/weights";
import type { Checkpoint, AskedCheckpointOptions, VisionPart } from "../checkpoint.js";
import { preprocess, resizeFor, reusablePixels } from "../pixels/preprocess.js";
import { siglipGridTower } from "../grid-tower/siglip-grid-tower.js";
import { readMmprojVision } from "./read-mmproj-vision.js";

/** Whether a path names a GGUF file. */
export function isGgufPath(where: string): boolean {
  return path.extname(where).toLowerCase() === ".gguf";
}

/**
 * The vision tower of an mmproj GGUF. These files are made for decoders: they hold neither the pooling head, so that
 * `pooled` is empty (a pooledWidth of 0), nor a text tower. Its patch tokens are those that the file's projector reads:
 * of an earlier block where `feature_layer` or the projector's type says so, and normed only where the file has the norm.
 * @throws WeightsError for a file whose tower is not SigLIP's, or when a text tower is asked for; RangeError for another image size
 */
export async function openMmproj(file: string, { towers, imageSize, maxPatches, format, variant }: AskedCheckpointOptions): Promise<Checkpoint> {
  if (towers?.includes("text")) throw new WeightsError(`loadSiglip: ${file}: expected towers ["vision"], since an mmproj GGUF holds no text tower, got ${JSON.stringify(towers)}`);
  const unknown = Object.entries({ imageSize, maxPatches, format, variant }).find(([, value]) => value !== undefined);
  if (unknown) throw new RangeError(`loadSiglip: ${file}: expected no ${unknown[0]} for an mmproj GGUF, which has one size and format, got ${unknown[1]}`);
  const source = await openWeights(file);
  try {
    return { path: file, vision: visionPart(source), close: () => source.close() };
  } catch (error) {
    await source.close();
    throw error;
  }
}

function visionPart(source: WeightSource): VisionPart {
  const { width, trainedGrid: grid, preprocessing, build } = siglipGridTower(source, readMmprojVision(source));
  const graph = new Graph();
  graph.output("patchTokens", build(graph, grid));
  return {
    graph,
    width,
    pooledWidth: 0,
    resize: (image) => resizeFor(image, preprocessing),
    prepare: (images, reuse) => {
      const { data, shape } = preprocess(images, preprocessing, reusablePixels(reuse, images.length, preprocessing));
      return { feeds: { pixels: { dtype: "float32", shape, data } }, grids: images.map(() => grid), patches: grid.rows * grid.columns };
    },
    open: (options) => openSession(graph, options),
  };
}
