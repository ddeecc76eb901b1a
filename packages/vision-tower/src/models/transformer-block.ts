import { add, attention, fusedAttention, geluErf, geluTanh, layerNorm, linear, quickGelu, type Dim, type Shape, type Tensor } from "@sightline/graph";

/**
 * Where a builder takes its parameters from: weights of a file, or inputs of a training graph. Asked again for a name,
 * it gives the same tensor.
 */
export type Parameter = (name: string, shape: Shape) => Tensor;

/** The function between the two layers of an MLP, by transformers' name: SigLIP's, LAION's CLIP's, OpenAI's CLIP's. */
export type Activation = "gelu_pytorch_tanh" | "gelu" | "quick_gelu";

const activations: Readonly<Record<Activation, (x: Tensor) => Tensor>> = { gelu_pytorch_tanh: geluTanh, gelu: geluErf, quick_gelu: quickGelu };

/** Sizes of a stack of transformer blocks. */
export interface EncoderConfig {
  /** D, the width of a token. */
  readonly width: number;
  /** L, the number of blocks. */
  readonly layers: number;
  /** A, the attention heads. */
  readonly heads: number;
  /** The width between the two layers of an MLP. */
  readonly mlpWidth: number;
  readonly layerNormEps: number;
  /** SigLIP's when left out. */
  readonly activation?: Activation;
}

/** How blocks are built, whatever their sizes. */
export interface EncoderOptions {
  /** Attention as one fused node: faster, not differentiable. */
  readonly fused: boolean;
  /** float32[B, 1, T, T], added to the attention scores of every block: 0 to look, a large negative not to. */
  readonly attentionBias?: Tensor;
}

/** A layer whose parameters are `${name}.weight` [out, in] and `${name}.bias` [out]. */
export function linearLayer(x: Tensor, parameter: Parameter, name: string, outWidth: number): Tensor {
  const inWidth = x.shape.at(-1) as Dim;
  return linear(x, parameter(`${name}.weight`, [outWidth, inWidth]), parameter(`${name}.bias`, [outWidth]));
}

/** A layer norm whose parameters are `${name}.weight` and `${name}.bias`, both [D]. */
export function layerNormLayer(x: Tensor, parameter: Parameter, name: string, epsilon: number): Tensor {
  const width = x.shape.at(-1) as Dim;
  return layerNorm(x, parameter(`${name}.weight`, [width]), parameter(`${name}.bias`, [width]), epsilon);
}

/** fc1, the activation (tanh GELU when left out), fc2. */
export function mlp(x: Tensor, parameter: Parameter, name: string, mlpWidth: number, activation: Activation = "gelu_pytorch_tanh"): Tensor {
  const hidden = activations[activation](linearLayer(x, parameter, `${name}.fc1`, mlpWidth));
  return linearLayer(hidden, parameter, `${name}.fc2`, x.shape.at(-1) as number);
}

/**
 * The pre-LN encoder that all towers of SigLIP and CLIP share (transformers `SiglipEncoder` and `CLIPEncoder`):
 * x + attention(LN(x)), then x + MLP(LN(x)), L times.
 * @param x float32[B, T, D]
 * @param prefix `vision_model` or `text_model`
 * @returns float32[B, T, D]
 */
export function encoderBlocks(x: Tensor, parameter: Parameter, prefix: string, config: EncoderConfig, options: EncoderOptions): Tensor {
  const { width, heads, mlpWidth, layerNormEps, activation } = config;
  const how = { heads, ...(options.attentionBias ? { bias: options.attentionBias } : {}) };
  let tokens = x;
  for (let i = 0; i < config.layers; i++) {
    const block = `${prefix}.encoder.layers.${i}`;
    const normed = layerNormLayer(tokens, parameter, `${block}.layer_norm1`, layerNormEps);
    const [q, k, v] = (["q_proj", "k_proj", "v_proj"] as const).map((name) =>
      linearLayer(normed, parameter, `${block}.self_attn.${name}`, width),
    ) as [Tensor, Tensor, Tensor];
    const attended = (options.fused ? fusedAttention : attention)(q, k, v, how);
    tokens = add(tokens, linearLayer(attended, parameter, `${block}.self_attn.out_proj`, width));
    const between = layerNormLayer(tokens, parameter, `${block}.layer_norm2`, layerNormEps);
    tokens = add(tokens, mlp(between, parameter, `${block}.mlp`, mlpWidth, activation));
  }
  return tokens;
}
