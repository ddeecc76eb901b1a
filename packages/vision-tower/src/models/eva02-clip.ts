import { add, attention, concat, fusedAttention, linear, mul, reshape, rotaryEmbedding, silu, slice, type Dim, type Graph, type Tensor } from "@sightline/graph";
import type { PatchGrid } from "../checkpoint.js";
import type { VisionOutputs } from "./clip.js";
import { withPrefixTokens } from "./prefix-tokens.js";
import { patchCount, patchGrid, type SiglipVisionConfig } from "./siglip-vision.js";
import { layerNormLayer, linearLayer, type EncoderOptions, type Parameter } from "./transformer-block.js";

export interface Eva02VisionConfig extends SiglipVisionConfig {
  /** Side of the grid on which the rotation was trained; other grids are stretched over it. */
  readonly rotarySide: number;
  /** E, the width that images and texts share. */
  readonly projectionWidth: number;
}

/** The class token's position, then those of the patches. */
export const eva02PositionTable: string = "visual.trunk.pos_embed";

/**
 * EVA-02-CLIP's vision tower of the base and large sizes (timm `Eva`; Fang et al. 2023, Sun et al. 2023): learned positions
 * and, beside them, a rotation by row and column; a gated MLP; a norm inside attention and MLP; keys without a bias.
 * @param patches float32[B, P, 3·p·p]
 * @returns `patchTokens` after the last norm; `pooled`, the class token after it, projected
 */
export function eva02Vision(patches: Tensor, parameter: Parameter, config: Eva02VisionConfig, options: EncoderOptions): VisionOutputs {
  const { width, patchSize, layerNormEps, projectionWidth } = config;
  const count = patchCount(config);
  const kernel = parameter("visual.trunk.patch_embed.proj.weight", [width, 3, patchSize, patchSize]);
  const bias = parameter("visual.trunk.patch_embed.proj.bias", [width]);
  const embedded = linear(patches, reshape(kernel, [width, 3 * patchSize * patchSize]), bias);
  const positions = reshape(parameter(eva02PositionTable, [1, 1 + count, width]), [1 + count, width]);
  const classToken = add(reshape(parameter("visual.trunk.cls_token", [1, 1, width]), [1, width]), slice(positions, 0, 0, 1));
  let tokens = withPrefixTokens(embedded, concat([classToken, slice(positions, 0, 1, 1 + count)], 0), 1);
  const turn = rotation(patches.graph, config);
  for (let i = 0; i < config.layers; i++) tokens = block(tokens, parameter, `visual.trunk.blocks.${i}`, config, turn, options);
  const normed = layerNormLayer(tokens, parameter, "visual.trunk.norm", layerNormEps);
  const first = reshape(slice(normed, 1, 0, 1), [patches.shape[0] as Dim, width]);
  return { patchTokens: slice(normed, 1, 1, 1 + count), pooled: linearLayer(first, parameter, "visual.trunk.head", projectionWidth) };
}

type Turn = (x: Tensor) => Tensor;

function block(x: Tensor, parameter: Parameter, name: string, config: Eva02VisionConfig, turn: Turn, options: EncoderOptions): Tensor {
  const { width, heads, mlpWidth, layerNormEps } = config;
  const norm = (value: Tensor, which: string): Tensor => layerNormLayer(value, parameter, `${name}.${which}`, layerNormEps);
  const normed = norm(x, "norm1");
  const q = linearLayer(normed, parameter, `${name}.attn.q_proj`, width);
  const k = linear(normed, parameter(`${name}.attn.k_proj.weight`, [width, width]));
  const v = linearLayer(normed, parameter, `${name}.attn.v_proj`, width);
  const attended = (options.fused ? fusedAttention : attention)(turn(q), turn(k), v, { heads });
  const y = add(x, linearLayer(norm(attended, "attn.norm"), parameter, `${name}.attn.proj`, width));
  const between = norm(y, "norm2");
  const gate = silu(linearLayer(between, parameter, `${name}.mlp.fc1_g`, mlpWidth));
  const gated = mul(gate, linearLayer(between, parameter, `${name}.mlp.fc1_x`, mlpWidth));
  return add(y, linearLayer(norm(gated, "mlp.norm"), parameter, `${name}.mlp.fc2`, width));
}

/** Turns neighbouring values of a head: the first half of the pairs by the patch's row, the others by its column. */
function rotation(graph: Graph, config: Eva02VisionConfig): Turn {
  const { width, heads, rotarySide } = config;
  const angles = rotaryAngles(patchGrid(config), rotarySide, width / heads);
  // The class token is not turned: its angles are 0.
  const table = (name: string, of: (angle: number) => number): Tensor =>
    graph.weight(`rotation ${name}`, "float32", [1 + patchCount(config), width / heads / 2], angles.map((angle) => of(angle)));
  const cos = table("cos", Math.cos);
  const sin = table("sin", Math.sin);
  return (x) => rotaryEmbedding(x, cos, sin, heads, true);
}

/**
 * float32[1 + P, d/2]: the angles of each pair of a head's d values, for the class token and each patch (timm
 * `RotaryEmbeddingCat` on an index grid): place · 10000^(-i / (d/4)), the place stretched to the trained grid.
 */
function rotaryAngles({ rows, columns }: PatchGrid, trainedSide: number, headWidth: number): Float32Array {
  const bands = headWidth / 4;
  const angles = new Float32Array((1 + rows * columns) * 2 * bands);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = (1 + row * columns + column) * 2 * bands;
      for (let i = 0; i < bands; i++) {
        const frequency = 10_000 ** (-i / bands);
        angles[at + i] = ((row * trainedSide) / rows) * frequency;
        angles[at + bands + i] = ((column * trainedSide) / columns) * frequency;
      }
    }
  }
  return angles;
}
