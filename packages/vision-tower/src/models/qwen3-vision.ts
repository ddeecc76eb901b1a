import { add, attention, concat, fusedAttention, linear, rotaryEmbedding, slice, type Graph, type Tensor } from "@sightline/graph";
import type { PatchGrid } from "../checkpoint.js";
import { layerNormLayer, linearLayer, mlp, type EncoderConfig, type EncoderOptions, type Parameter } from "./transformer-block.js";

export interface Qwen3VisionConfig extends EncoderConfig {
  /** Side of a square patch, pixels. */
  readonly patchSize: number;
  /** The blocks, counted from 0, whose output the projector reads beside the last one's; in rising order. */
  readonly deepstackLayers: readonly number[];
}

/** The tensors of the first layer, which depend on the grid and on how a file stores them. */
export interface Qwen3PatchEmbedding {
  /** float32[D, 3·p·p]: a still image is two equal frames, so that the kernels of both add up. */
  readonly kernel: Tensor;
  /** float32[D] */
  readonly bias: Tensor;
  /** float32[P, D]: the learned positions, laid over the grid. */
  readonly positions: Tensor;
}

/**
 * Qwen3-VL's vision tower up to its merger (Bai et al. 2025, "Qwen3-VL Technical Report"; transformers
 * `Qwen3VLVisionModel`): learned positions, and a rotation by row and column in every block; no norm at the end, which is
 * the merger's. Patches stay row by row of the grid; nothing before the merger depends on their order.
 * @param patches float32[B, P, 3·p·p]
 * @returns float32[B, P, D · (1 + levels)]: the last block's tokens, then those of each of `deepstackLayers`
 */
export function qwen3PatchTokens(patches: Tensor, grid: PatchGrid, { kernel, bias, positions }: Qwen3PatchEmbedding, parameter: Parameter, config: Qwen3VisionConfig, options: EncoderOptions): Tensor {
  const turn = rotation(patches.graph, grid, config);
  let tokens = add(linear(patches, kernel, bias), positions);
  const deep: Tensor[] = [];
  for (let i = 0; i < config.layers; i++) {
    tokens = block(tokens, parameter, `blocks.${i}`, config, turn, options);
    if (config.deepstackLayers.includes(i)) deep.push(tokens);
  }
  return deep.length === 0 ? tokens : concat([tokens, ...deep], 2);
}

type Turn = (x: Tensor) => Tensor;

function block(x: Tensor, parameter: Parameter, name: string, { width, heads, mlpWidth, layerNormEps }: Qwen3VisionConfig, turn: Turn, options: EncoderOptions): Tensor {
  const joint = linearLayer(layerNormLayer(x, parameter, `${name}.norm1`, layerNormEps), parameter, `${name}.attn.qkv`, 3 * width);
  const [q, k, v] = [0, 1, 2].map((part) => slice(joint, 2, part * width, (part + 1) * width)) as [Tensor, Tensor, Tensor];
  const attended = (options.fused ? fusedAttention : attention)(turn(q), turn(k), v, { heads });
  const y = add(x, linearLayer(attended, parameter, `${name}.attn.proj`, width));
  return add(y, mlp(layerNormLayer(y, parameter, `${name}.norm2`, layerNormEps), parameter, `${name}.mlp`, mlpWidth));
}

/** Turns value i of a head with value i + d/2: the first half of those pairs by the patch's row, the others by its column. */
function rotation(graph: Graph, grid: PatchGrid, { width, heads }: Qwen3VisionConfig): Turn {
  const half = width / heads / 2;
  const angles = rotaryAngles(grid, half);
  const table = (name: string, of: (angle: number) => number): Tensor => graph.weight(`rotation ${name}`, "float32", [grid.rows * grid.columns, half], angles.map((angle) => of(angle)));
  const [cos, sin] = [table("cos", Math.cos), table("sin", Math.sin)];
  return (x) => rotaryEmbedding(x, cos, sin, heads);
}

/** float32[P, half]: place · 10000^(-2i / half), rows then columns (Su et al. 2021 along two axes). */
function rotaryAngles({ rows, columns }: PatchGrid, half: number): Float32Array {
  const bands = half / 2;
  return Float32Array.from({ length: rows * columns * half }, (_, at) => {
    const [patch, i] = [Math.floor(at / half), at % half];
    const place = i < bands ? Math.floor(patch / columns) : patch % columns;
    return place * 10_000 ** (-(i % bands) / bands);
  });
}
