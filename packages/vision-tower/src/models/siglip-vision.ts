import {
  add,
  gatherRows,
  linear,
  matmul,
  reshape,
  slice,
  softmax,
  transpose,
  type Dim,
  type Tensor,
} from "@sightline/graph";
import type { PatchGrid } from "../checkpoint.js";
import { encoderBlocks, layerNormLayer, linearLayer, mlp, type EncoderConfig, type EncoderOptions, type Parameter } from "./transformer-block.js";

/** Sizes of a SigLIP vision tower of one resolution (`vision_config` of config.json). */
export interface SiglipVisionConfig extends EncoderConfig {
  /** Side of the square input, pixels. */
  readonly imageSize: number;
  /** Side of a square patch, pixels. */
  readonly patchSize: number;
}

/** The patches of one image; pixels beyond the last whole patch belong to none. */
export function patchGrid({ imageSize, patchSize }: SiglipVisionConfig): PatchGrid {
  const side = Math.floor(imageSize / patchSize);
  return { rows: side, columns: side };
}

/** P, the patches of one image. */
export function patchCount(config: SiglipVisionConfig): number {
  const { rows, columns } = patchGrid(config);
  return rows * columns;
}

/**
 * Cuts images into patches whose values lie in the order of the convolution that embeds them (channel, row, column),
 * so that the convolution of stride p becomes a matrix product. Pixels beyond the last whole patch are dropped, as the
 * convolution drops them (384 px at patch 14 uses 378).
 * @param pixels float32[B, 3, H, W]
 * @returns float32[B, P, 3·p·p]
 */
export function patchesOf(pixels: Tensor, patchSize: number): Tensor {
  const [batch, channels, height, width] = pixels.shape as [Dim, number, number, number];
  const rows = Math.floor(height / patchSize);
  const columns = Math.floor(width / patchSize);
  const whole = slice(slice(pixels, 2, 0, rows * patchSize), 3, 0, columns * patchSize);
  const cut = reshape(whole, [batch, channels, rows, patchSize, columns, patchSize]);
  return reshape(transpose(cut, [0, 2, 4, 1, 3, 5]), [batch, rows * columns, channels * patchSize * patchSize]);
}

/**
 * The tower from patches to patch tokens (transformers `SiglipVisionTransformer` up to its post-LN).
 * @param patches float32[B, P, 3·p·p]
 * @param options.positions int64[B, P]: the place of each patch in the grid; all of them in order when left out
 * @param options.embeddedPositions float32[P, D]: what is added to the patches, for a grid that the stored table is not made for
 * @returns patch tokens, float32[B, P, D]
 */
export function siglipPatchTokens(
  patches: Tensor,
  parameter: Parameter,
  config: SiglipVisionConfig,
  options: EncoderOptions & { readonly positions?: Tensor; readonly embeddedPositions?: Tensor; readonly postLayerNorm?: boolean },
): Tensor {
  const { width, patchSize } = config;
  const patchWidth = 3 * patchSize * patchSize;
  const kernel = parameter("vision_model.embeddings.patch_embedding.weight", [width, 3, patchSize, patchSize]);
  const embedded = linear(
    patches,
    reshape(kernel, [width, patchWidth]),
    parameter("vision_model.embeddings.patch_embedding.bias", [width]),
  );
  const table = options.embeddedPositions ?? parameter(positionTable, [patchCount(config), width]);
  const placed = add(embedded, options.positions ? gatherRows(table, options.positions) : table);
  const tokens = encoderBlocks(placed, parameter, "vision_model", config, options);
  if (options.postLayerNorm === false) return tokens;
  return layerNormLayer(tokens, parameter, "vision_model.post_layernorm", config.layerNormEps);
}

/**
 * The multi-head attention pooling head (transformers `SiglipMultiheadAttentionPoolingHead`; Zhai et al. 2022):
 * a learned probe attends to all patch tokens, then x + MLP(LN(x)). The probe itself is not added back.
 * @param patchTokens float32[B, P, D]
 * @param keyBias float32[B, 1, 1, P], added to the probe's scores where some of the tokens are padding
 * @returns pooled embedding, float32[B, D]
 */
export function siglipPooledEmbedding(patchTokens: Tensor, parameter: Parameter, config: EncoderConfig, keyBias?: Tensor): Tensor {
  const { width, heads } = config;
  const headWidth = width / heads;
  const [batch, patches] = patchTokens.shape as [Dim, Dim];
  // With one query, q · (Wk x + bk) is (Wkᵀ q) · x plus what softmax does not see, and the sum of p (Wv x + bv) is
  // Wv (sum of p x) + bv: tokens need no key and no value, which spares two products as large as a block's.
  const query = reshape(inProjection(parameter(`${head}.probe`, [1, 1, width]), parameter, 0, width), [heads, 1, headWidth]);
  const keys = reshape(inWeight(parameter, 1, width), [heads, headWidth, width]);
  const lookedFor = reshape(matmul(query, keys), [heads, width]);
  const scores = transpose(matmul(patchTokens, lookedFor, { transposeB: true, alpha: 1 / Math.sqrt(headWidth) }), [0, 2, 1]);
  const shares = softmax(keyBias ? add(scores, reshape(keyBias, [batch, 1, patches])) : scores);
  const seen = reshape(matmul(shares, patchTokens), [batch, heads, 1, width]);
  const values = reshape(inWeight(parameter, 2, width), [heads, headWidth, width]);
  const attended = add(reshape(matmul(seen, values, { transposeB: true }), [batch, width]), inBias(parameter, 2, width));
  return afterAttention(attended, parameter, config);
}

/**
 * The pooling head applied to each patch token alone: what the pooled embedding would be if the probe looked nowhere
 * else (its softmax over one token is 1). These lie in the space of the text embeddings, so a patch can be compared
 * with a text.
 * @param patchTokens float32[..., D]
 * @returns float32[..., D]
 */
export function siglipPatchEmbeddings(patchTokens: Tensor, parameter: Parameter, config: EncoderConfig): Tensor {
  return afterAttention(inProjection(patchTokens, parameter, 2, config.width), parameter, config);
}

/** The table of learned positions, row by row of the grid. */
export const positionTable: string = "vision_model.embeddings.position_embedding.weight";

const head = "vision_model.head";

/** Part 0, 1 or 2 (query, key, value) of the head's packed input projection. */
function inProjection(x: Tensor, parameter: Parameter, part: number, width: number): Tensor {
  return linear(x, inWeight(parameter, part, width), inBias(parameter, part, width));
}

function inWeight(parameter: Parameter, part: number, width: number): Tensor {
  return slice(parameter(`${head}.attention.in_proj_weight`, [3 * width, width]), 0, part * width, (part + 1) * width);
}

function inBias(parameter: Parameter, part: number, width: number): Tensor {
  return slice(parameter(`${head}.attention.in_proj_bias`, [3 * width]), 0, part * width, (part + 1) * width);
}

function afterAttention(attended: Tensor, parameter: Parameter, { width, mlpWidth, layerNormEps }: EncoderConfig): Tensor {
  const pooled = linearLayer(attended, parameter, `${head}.attention.out_proj`, width);
  return add(pooled, mlp(layerNormLayer(pooled, parameter, `${head}.layernorm`, layerNormEps), parameter, `${head}.mlp`, mlpWidth));
}
