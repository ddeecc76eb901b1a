import {
  add,
  attention,
  linear,
  mul,
  reshape,
  rmsNorm,
  rotaryEmbedding,
  silu,
  type Dim,
  type Graph,
  type Shape,
  type Tensor,
} from "@sightline/graph";

/** Sizes of a Qwen3 decoder (transformers' `Qwen3Config`). */
export interface Qwen3Config {
  /** W, the width of a token. */
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly headWidth: number;
  readonly mlpWidth: number;
  readonly vocabularySize: number;
  readonly ropeTheta: number;
  readonly rmsNormEps: number;
}

type Parameter = (name: string, shape: Shape) => Tensor;

/**
 * A Qwen3 decoder as a differentiable graph (transformers `Qwen3Model`: pre-RMSNorm, per-head RMSNorm of queries and
 * keys, rotary positions, SwiGLU, no biases), up to its final norm. As many key heads as query heads.
 * @param x float32[B, S, W], embeddings of tokens and images in order
 * @returns float32[B, S, W]
 */
export function qwen3Hidden(x: Tensor, parameter: Parameter, config: Qwen3Config): Tensor {
  const { width, layers, heads, headWidth, mlpWidth, rmsNormEps } = config;
  const length = Number(x.shape[1]);
  const { graph } = x;
  const rope = rotaryTables(graph, length, config);
  const causal = causalBias(graph, length);
  const project = (input: Tensor, name: string, outWidth: number): Tensor =>
    linear(input, parameter(`${name}.weight`, [outWidth, input.shape.at(-1) as Dim]));

  let tokens = x;
  for (let i = 0; i < layers; i++) {
    const block = `model.layers.${i}`;
    const normed = rmsNorm(tokens, parameter(`${block}.input_layernorm.weight`, [width]), rmsNormEps);
    const perHead = (name: "q" | "k"): Tensor => {
      const projected = project(normed, `${block}.self_attn.${name}_proj`, heads * headWidth);
      const split = reshape(projected, [x.shape[0] as Dim, length, heads, headWidth]);
      const gain = parameter(`${block}.self_attn.${name}_norm.weight`, [headWidth]);
      return rotaryEmbedding(reshape(rmsNorm(split, gain, rmsNormEps), projected.shape), rope.cos, rope.sin, heads);
    };
    const v = project(normed, `${block}.self_attn.v_proj`, heads * headWidth);
    const attended = attention(perHead("q"), perHead("k"), v, { heads, bias: causal });
    tokens = add(tokens, project(attended, `${block}.self_attn.o_proj`, width));
    const normed2 = rmsNorm(tokens, parameter(`${block}.post_attention_layernorm.weight`, [width]), rmsNormEps);
    const gated = mul(silu(project(normed2, `${block}.mlp.gate_proj`, mlpWidth)), project(normed2, `${block}.mlp.up_proj`, mlpWidth));
    tokens = add(tokens, project(gated, `${block}.mlp.down_proj`, width));
  }
  return rmsNorm(tokens, parameter("model.norm.weight", [width]), rmsNormEps);
}

/** The token table, which is also the output matrix (tied). float32[V, W]. */
export function qwen3TokenTable(parameter: Parameter, { vocabularySize, width }: Qwen3Config): Tensor {
  return parameter("model.embed_tokens.weight", [vocabularySize, width]);
}

interface RotaryTables {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** cos and sin of position · theta^(-2i/d). float32[S, d/2]. */
function rotaryTables(graph: Graph, length: number, { headWidth, ropeTheta }: Qwen3Config): RotaryTables {
  const half = headWidth / 2;
  const table = (name: string, f: (angle: number) => number): Tensor => {
    const values = Float32Array.from({ length: length * half }, (_, i) => f(Math.floor(i / half) * ropeTheta ** (-(i % half) / half)));
    return graph.weight(name, "float32", [length, half], values);
  };
  return { cos: table("rope cos", Math.cos), sin: table("rope sin", Math.sin) };
}

/** 0 where a token may look (itself and before), -1e9 elsewhere. float32[S, S]. */
function causalBias(graph: Graph, length: number): Tensor {
  const bias = new Float32Array(length * length);
  for (let row = 0; row < length; row++) bias.fill(-1e9, row * length + row + 1, (row + 1) * length);
  return graph.weight("causal bias", "float32", [length, length], bias);
}

