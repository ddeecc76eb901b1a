import { add, attention, concat, fusedAttention, geluErf, linear, mul, reshape, silu, slice, type Dim, type Tensor } from "@sightline/graph";
import type { VisionOutputs } from "./clip.js";
import { withPrefixTokens } from "./prefix-tokens.js";
import { patchCount, type SiglipVisionConfig } from "./siglip-vision.js";
import { layerNormLayer, linearLayer, type EncoderOptions, type Parameter } from "./transformer-block.js";

export interface Dinov2Config extends SiglipVisionConfig {
  /** Tokens without a place, which stand between the class token and the patches; 0 for models without. */
  readonly registers: number;
  /** Whether queries, keys and values have a bias. */
  readonly qkvBias: boolean;
  /** A gated MLP instead of one with GELU, as giant has it; mlpWidth is then the width of each half. */
  readonly swiglu: boolean;
}

/** The class token's position, then those of the patches. */
export const dinov2PositionTable: string = "embeddings.position_embeddings";

/**
 * DINOv2 (transformers `Dinov2Model` and `Dinov2WithRegistersModel`; Oquab et al. 2023, Darcet et al. 2023).
 * @param patches float32[B, P, 3·p·p]
 * @returns `patchTokens` and `pooled`, the class token, both after the last norm
 */
export function dinov2Vision(patches: Tensor, parameter: Parameter, config: Dinov2Config, options: EncoderOptions): VisionOutputs {
  const { width, patchSize, registers, layerNormEps } = config;
  const count = patchCount(config);
  const kernel = parameter("embeddings.patch_embeddings.projection.weight", [width, 3, patchSize, patchSize]);
  const bias = parameter("embeddings.patch_embeddings.projection.bias", [width]);
  const embedded = linear(patches, reshape(kernel, [width, 3 * patchSize * patchSize]), bias);
  let tokens = withPrefixTokens(embedded, placedRows(parameter, config, count), 1 + registers);
  for (let i = 0; i < config.layers; i++) tokens = block(tokens, parameter, `encoder.layer.${i}`, config, options);
  const normed = layerNormLayer(tokens, parameter, "layernorm", layerNormEps);
  return {
    patchTokens: slice(normed, 1, 1 + registers, 1 + registers + count),
    pooled: reshape(slice(normed, 1, 0, 1), [patches.shape[0] as Dim, width]),
  };
}

/** The class token at its position, the registers, then the positions of the patches. */
function placedRows(parameter: Parameter, { width, registers }: Dinov2Config, count: number): Tensor {
  const positions = reshape(parameter(dinov2PositionTable, [1, 1 + count, width]), [1 + count, width]);
  const classToken = add(reshape(parameter("embeddings.cls_token", [1, 1, width]), [1, width]), slice(positions, 0, 0, 1));
  const ofPatches = slice(positions, 0, 1, 1 + count);
  if (registers === 0) return concat([classToken, ofPatches], 0);
  return concat([classToken, reshape(parameter("embeddings.register_tokens", [1, registers, width]), [registers, width]), ofPatches], 0);
}

/** x + scale · attention(LN(x)), then x + scale · MLP(LN(x)), the scales being learned vectors (LayerScale). */
function block(x: Tensor, parameter: Parameter, name: string, config: Dinov2Config, options: EncoderOptions): Tensor {
  const { width, heads, qkvBias, layerNormEps } = config;
  const scaled = (branch: Tensor, which: number): Tensor => mul(branch, parameter(`${name}.layer_scale${which}.lambda1`, [width]));
  const normed = layerNormLayer(x, parameter, `${name}.norm1`, layerNormEps);
  const [q, k, v] = ["query", "key", "value"].map((part) => {
    const layer = `${name}.attention.attention.${part}`;
    return linear(normed, parameter(`${layer}.weight`, [width, width]), qkvBias ? parameter(`${layer}.bias`, [width]) : undefined);
  }) as [Tensor, Tensor, Tensor];
  const attended = (options.fused ? fusedAttention : attention)(q, k, v, { heads });
  const y = add(x, scaled(linearLayer(attended, parameter, `${name}.attention.output.dense`, width), 1));
  return add(y, scaled(mlp(layerNormLayer(y, parameter, `${name}.norm2`, layerNormEps), parameter, `${name}.mlp`, config), 2));
}

function mlp(x: Tensor, parameter: Parameter, name: string, { width, mlpWidth, swiglu }: Dinov2Config): Tensor {
  if (!swiglu) return linearLayer(geluErf(linearLayer(x, parameter, `${name}.fc1`, mlpWidth)), parameter, `${name}.fc2`, width);
  const both = linearLayer(x, parameter, `${name}.weights_in`, 2 * mlpWidth);
  const gated = mul(silu(slice(both, -1, 0, mlpWidth)), slice(both, -1, mlpWidth, 2 * mlpWidth));
  return linearLayer(gated, parameter, `${name}.weights_out`, width);
}
