import { add, reshape, slice, type Graph, type Tensor } from "@sightline/graph";
import { WeightsError, type WeightSource } from "@sightline/weights";
import { interpolatePositions } from "../models/interpolate-positions.js";
import { qwen3PatchTokens, type Qwen3VisionConfig } from "../models/qwen3-vision.js";
import { patchesOf } from "../models/siglip-vision.js";
import type { Parameter } from "../models/transformer-block.js";
import type { Preprocessing } from "../pixels/preprocess.js";
import { storedTensor, weightParameters } from "../weights/weight-parameters.js";
import { checkGrid, wholeGrid, type GridTower } from "./grid-tower.js";

/** Qwen3-VL's tower as a file describes it. */
export interface Qwen3Vision {
  readonly config: Qwen3VisionConfig;
  /** Patches along a side that the merger makes one. */
  readonly mergeSize: number;
  readonly preprocessing: Preprocessing;
  /** The file's kernels for the two frames of a clip: two tensors [D, 3, p, p], or one [D, 3, 2, p, p]. */
  readonly kernels: { readonly frames: readonly [string, string] } | { readonly joint: string };
  /** The tower's names to those of the file. */
  readonly rename: (name: string) => string;
}

const positionName = "pos_embed.weight";

/**
 * Qwen3-VL's tower, of any grid of whole merged blocks.
 * @throws WeightsError when widths do not divide, or the table of positions is no square
 */
export function qwen3GridTower(source: WeightSource, { config, mergeSize, preprocessing, kernels, rename }: Qwen3Vision): GridTower {
  const { width, heads, patchSize, deepstackLayers } = config;
  if (width % (4 * heads) !== 0) throw new WeightsError(`${source.path}: expected the tower's width to be a multiple of 4 times its heads, got ${width} and ${heads}`);
  const stored = rename(positionName);
  const rows = source.tensors.get(stored)?.shape[0] ?? 0;
  const side = Math.sqrt(rows);
  if (!Number.isInteger(side) || side < 1) throw new WeightsError(`${source.path}: "${stored}": expected a square number of positions, got ${rows}`);
  storedTensor(source, stored, [rows, width]);
  const trained = { rows: side, columns: side };
  return {
    patchSize,
    width: width * (1 + deepstackLayers.length),
    align: mergeSize,
    trainedGrid: trained,
    fixedGrid: false,
    preprocessing: { ...preprocessing, width: side * patchSize, height: side * patchSize },
    gridOf: (view) => wholeGrid(view, patchSize, mergeSize),
    fileName: rename,
    build(graph, grid, training) {
      checkGrid("build", grid, mergeSize);
      if (training) throw new RangeError("build: towers of any resolution cannot be trained; expected one of a single grid");
      const parameter = weightParameters(graph, source, rename);
      const pixels = graph.input("pixels", "float32", ["B", 3, grid.rows * patchSize, grid.columns * patchSize]);
      const patches = grid.rows * grid.columns;
      const positions = graph.weight(positionName, "float32", [patches, width], {
        byteLength: 4 * patches * width,
        read: async () => interpolatePositions(await source.readFloat32(stored), trained, grid, width, "bilinear-align-corners"),
      });
      const embedding = { kernel: stillKernel(graph, source, kernels, parameter, config), bias: parameter("patch_embed.proj.bias", [width]), positions };
      return qwen3PatchTokens(patchesOf(pixels, patchSize), grid, embedding, parameter, config, { fused: true });
    },
  };
}

/** float32[D, 3·p·p], the kernels of both frames added. */
function stillKernel(graph: Graph, source: WeightSource, kernels: Qwen3Vision["kernels"], parameter: Parameter, { width, patchSize }: Qwen3VisionConfig): Tensor {
  const area = patchSize * patchSize;
  if ("joint" in kernels) {
    const joint = reshape(parameter(kernels.joint, [width, 3, 2, patchSize, patchSize]), [width, 3, 2, area]);
    return reshape(add(slice(joint, 2, 0, 1), slice(joint, 2, 1, 2)), [width, 3 * area]);
  }
  const stored = weightParameters(graph, source);
  const [first, second] = kernels.frames.map((name) => stored(name, [width, 3, patchSize, patchSize])) as [Tensor, Tensor];
  return reshape(add(first, second), [width, 3 * area]);
}
