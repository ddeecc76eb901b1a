import { add, attention, gatherRows, geluTanh, linear, matmul, mul, reshape, rmsNorm, rotaryEmbedding, scale, shift, silu, type Dim, type Graph, type Shape, type Tensor } from "@sightline/graph";
import type { DecoderConfig } from "./decoder-config.js";

type Parameter = (name: string, shape: Shape) => Tensor;

/** A decoder's parts, for whoever puts rows of images between its tokens. */
export interface DecoderGraph {
  readonly config: DecoderConfig;
  /** Rows of the token table: int64[...] -> float32[..., W]. */
  embed(tokens: Tensor): Tensor;
  /**
   * The blocks, up to the last norm: float32[B, S, W], tokens and images in order -> float32[B, S, W].
   * @param apart float32[B, 1, S, S]: 0 where two places are of one picture whose rows look at each other both ways, 1 elsewhere
   */
  hidden(rows: Tensor, apart?: Tensor): Tensor;
  /** float32[M, W] -> float32[M, V] */
  logits(hidden: Tensor): Tensor;
}

/**
 * A decoder of Llama's kind as a differentiable graph (transformers `LlamaModel`, `Qwen2Model`, `Qwen3Model`,
 * `Gemma3TextModel`), by transformers' names.
 */
export function buildDecoder(parameter: Parameter, config: DecoderConfig): DecoderGraph {
  const { width, vocabularySize, embeddingScale, untiedOutput = false } = config;
  const table = parameter("model.embed_tokens.weight", [vocabularySize, width]);
  return {
    config,
    embed(tokens) {
      const rows = gatherRows(table, tokens);
      return embeddingScale === undefined ? rows : scale(rows, embeddingScale);
    },
    hidden: (rows, apart) => decoderHidden(rows, parameter, config, apart),
    logits: (hidden) => matmul(hidden, untiedOutput ? parameter("lm_head.weight", [vocabularySize, width]) : table, { transposeB: true }),
  };
}

function decoderHidden(x: Tensor, parameter: Parameter, config: DecoderConfig, apart: Tensor | undefined): Tensor {
  const { width, layers, heads, keyValueHeads = heads, headWidth, mlpWidth, rmsNormEps, outputNorms = false, window } = config;
  const [batch, length] = x.shape as [Dim, number];
  const { graph } = x;
  const seen = (causal: Tensor): Tensor => (apart ? mul(causal, apart) : causal);
  const global: LayerPositions = { ...rotaryTables(graph, "rope", length, config, config.ropeTheta), causal: seen(causalBias(graph, "causal bias", length, length)) };
  const local: LayerPositions | undefined = window && {
    ...rotaryTables(graph, "window rope", length, { headWidth }, window.ropeTheta),
    causal: seen(causalBias(graph, "window bias", length, window.length)),
  };
  const norm = (input: Tensor, name: string, over: number): Tensor => {
    const gain = parameter(`${name}.weight`, [over]);
    return rmsNorm(input, config.normPlusOne === true ? shift(gain, 1) : gain, rmsNormEps);
  };
  const project = (input: Tensor, name: string, outWidth: number, bias = false): Tensor =>
    linear(input, parameter(`${name}.weight`, [outWidth, input.shape.at(-1) as Dim]), bias ? parameter(`${name}.bias`, [outWidth]) : undefined);
  const activate = config.activation === "gelu-tanh" ? geluTanh : silu;

  let tokens = x;
  for (let i = 0; i < layers; i++) {
    const block = `model.layers.${i}`;
    const { cos, sin, causal } = local && window && (i + 1) % window.period !== 0 ? local : global;
    const normed = norm(tokens, `${block}.input_layernorm`, width);
    const positioned = (name: "q" | "k", count: number): Tensor => {
      const projected = project(normed, `${block}.self_attn.${name}_proj`, count * headWidth, config.attentionBias);
      const split = config.queryKeyNorm === true ? norm(reshape(projected, [batch, length, count, headWidth]), `${block}.self_attn.${name}_norm`, headWidth) : projected;
      return rotaryEmbedding(reshape(split, projected.shape), cos, sin, count, config.ropeInterleaved);
    };
    const v = project(normed, `${block}.self_attn.v_proj`, keyValueHeads * headWidth, config.attentionBias);
    const attended = attention(positioned("q", heads), positioned("k", keyValueHeads), v, { heads, keyValueHeads, bias: causal, ...(config.attentionScale === undefined ? {} : { scale: config.attentionScale }) });
    const looked = project(attended, `${block}.self_attn.o_proj`, width);
    tokens = add(tokens, outputNorms ? norm(looked, `${block}.post_attention_layernorm`, width) : looked);
    const normed2 = norm(tokens, outputNorms ? `${block}.pre_feedforward_layernorm` : `${block}.post_attention_layernorm`, width);
    const gated = mul(activate(project(normed2, `${block}.mlp.gate_proj`, mlpWidth)), project(normed2, `${block}.mlp.up_proj`, mlpWidth));
    const thought = project(gated, `${block}.mlp.down_proj`, width);
    tokens = add(tokens, outputNorms ? norm(thought, `${block}.post_feedforward_layernorm`, width) : thought);
  }
  return norm(tokens, "model.norm", width);
}

/** What tells a layer's places apart. */
interface LayerPositions {
  /** float32[S, headWidth / 2] */
  readonly cos: Tensor;
  readonly sin: Tensor;
  /** float32[S, S], or of each conversation, float32[B, 1, S, S] */
  readonly causal: Tensor;
}

/** cos and sin of position · theta^(-2i/d) / divisor. */
function rotaryTables(graph: Graph, name: string, length: number, { headWidth, ropeDivisors }: Pick<DecoderConfig, "headWidth" | "ropeDivisors">, theta: number): Pick<LayerPositions, "cos" | "sin"> {
  const half = headWidth / 2;
  const table = (f: (angle: number) => number): Float32Array =>
    Float32Array.from({ length: length * half }, (_, i) => f((Math.floor(i / half) * theta ** (-(i % half) / half)) / (ropeDivisors?.[i % half] ?? 1)));
  return { cos: graph.weight(`${name} cos`, "float32", [length, half], table(Math.cos)), sin: graph.weight(`${name} sin`, "float32", [length, half], table(Math.sin)) };
}

/** 0 where a token may look (itself and `window - 1` before), -1e9 elsewhere. float32[S, S]. */
function causalBias(graph: Graph, name: string, length: number, window: number): Tensor {
  const bias = new Float32Array(length * length);
  for (let row = 0; row < length; row++) {
    bias.fill(-1e9, row * length + row + 1, (row + 1) * length);
    bias.fill(-1e9, row * length, row * length + Math.max(0, row + 1 - window));
  }
  return graph.weight(name, "float32", [length, length], bias);
}
