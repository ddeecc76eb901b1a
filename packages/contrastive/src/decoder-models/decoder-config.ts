/** Positions of a windowed layer, and what turns them (Gemma 3). */
export interface WindowConfig {
  /** A token sees itself and the `length - 1` before it. */
  readonly length: number;
  /** Every so many layers one sees everything: layer i does where i + 1 is a multiple of it. */
  readonly period: number;
  /** theta of the windowed layers. */
  readonly ropeTheta: number;
}

/** The shape of a decoder of pre-RMSNorm blocks with rotary positions and a gated MLP: Llama and its relatives. */
export interface DecoderConfig {
  /** W, the width of a token. */
  readonly width: number;
  readonly layers: number;
  /** A, heads of the queries. */
  readonly heads: number;
  /** K, heads of keys and values; A when left out. */
  readonly keyValueHeads?: number;
  readonly headWidth: number;
  readonly mlpWidth: number;
  /** V */
  readonly vocabularySize: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  /** float[headWidth / 2]: what each frequency of the rotary positions is divided by (Llama 3, linear scaling). */
  readonly ropeDivisors?: readonly number[];
  /** Whether neighbours (0, 1), (2, 3), ... turn together, as llama.cpp stores Llama's queries and keys. */
  readonly ropeInterleaved?: boolean;
  /** RMSNorm of each head of queries and keys (Qwen3, Gemma 3). */
  readonly queryKeyNorm?: boolean;
  /** Biases of query, key and value (Qwen2). */
  readonly attentionBias?: boolean;
  /** The output matrix is one of its own, `lm_head.weight`, and not the token table. */
  readonly untiedOutput?: boolean;
  /** Factor on the rows of the token table (Gemma: sqrt(W)); those of images come as they are. */
  readonly embeddingScale?: number;
  /** Factor on attention scores, 1 / sqrt(headWidth) when left out. */
  readonly attentionScale?: number;
  /** "silu" when left out; Gemma's is the tanh form of GELU. */
  readonly activation?: "silu" | "gelu-tanh";
  /** Norms after attention and MLP as well as before (Gemma 3). */
  readonly outputNorms?: boolean;
  /** Norms multiply by 1 + w (Gemma's checkpoints; its GGUF files store 1 + w). */
  readonly normPlusOne?: boolean;
  readonly window?: WindowConfig;
}
