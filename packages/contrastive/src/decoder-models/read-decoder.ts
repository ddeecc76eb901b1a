import type { MetadataValue, WeightSource } from "@sightline/weights";
import { TrainingError } from "../training-error.js";
import type { DecoderConfig } from "./decoder-config.js";

/** A decoder as its files describe it, ready to be built. */
export interface StoredDecoder {
  /** `general.architecture` of a GGUF, `model_type` of a checkpoint. */
  readonly architecture: string;
  readonly config: DecoderConfig;
  /** transformers' name of a parameter to the file's. */
  readonly rename: (name: string) => string;
}

/** What tells architectures apart, besides numbers. */
type Architecture = Pick<DecoderConfig, "queryKeyNorm" | "attentionBias" | "activation" | "outputNorms" | "ropeInterleaved">;

const gemma3: Architecture = { queryKeyNorm: true, activation: "gelu-tanh", outputNorms: true };
const ggufArchitectures: Readonly<Record<string, Architecture>> = { gemma3, llama: { ropeInterleaved: true }, qwen2: { attentionBias: true }, qwen3: { queryKeyNorm: true } };
const checkpointArchitectures: Readonly<Record<string, Architecture>> = { gemma3, gemma3_text: gemma3, llama: {}, mistral: {}, qwen2: { attentionBias: true }, qwen3: { queryKeyNorm: true } };

/** Of Gemma 3, where files leave them out. */
const gemmaWindow = { length: 1024, period: 6, ropeTheta: 10_000 };

const ggufNames: readonly (readonly [RegExp, string])[] = [
  [/^model\.embed_tokens\./, "token_embd."],
  [/^model\.norm\./, "output_norm."],
  [/^lm_head\./, "output."],
  [/^model\.layers\.(\d+)\.input_layernorm\./, "blk.$1.attn_norm."],
  [/^model\.layers\.(\d+)\.pre_feedforward_layernorm\./, "blk.$1.ffn_norm."],
  [/^model\.layers\.(\d+)\.post_feedforward_layernorm\./, "blk.$1.post_ffw_norm."],
  [/^model\.layers\.(\d+)\.self_attn\.([qkv])_proj\./, "blk.$1.attn_$2."],
  [/^model\.layers\.(\d+)\.self_attn\.([qk])_norm\./, "blk.$1.attn_$2_norm."],
  [/^model\.layers\.(\d+)\.self_attn\.o_proj\./, "blk.$1.attn_output."],
  [/^model\.layers\.(\d+)\.mlp\.(gate|up|down)_proj\./, "blk.$1.ffn_$2."],
];
const postAttention = /^model\.layers\.(\d+)\.post_attention_layernorm\./;

/**
 * A decoder parameter's name in a GGUF of llama.cpp; `undefined` for a name of another part.
 * @param outputNorms whether blocks have norms after attention and MLP too (Gemma 3), where a norm's name means another place
 */
export function ggufDecoderName(name: string, { outputNorms = false }: Pick<DecoderConfig, "outputNorms"> = {}): string | undefined {
  if (postAttention.test(name)) return name.replace(postAttention, outputNorms ? "blk.$1.post_attention_norm." : "blk.$1.ffn_norm.");
  const rule = ggufNames.find(([pattern]) => pattern.test(name));
  return rule && name.replace(rule[0], rule[1]);
}

/**
 * Reads a decoder's shape from a GGUF of llama.cpp.
 * @throws TrainingError for an architecture that cannot be trained, listing those that can, and for keys that are missing
 */
export function decoderFromGguf(source: WeightSource): StoredDecoder {
  const { metadata, tensors, path } = source;
  const named = metadata.get("general.architecture");
  const architecture = knownArchitecture(path, "general.architecture", named, ggufArchitectures);
  const shape = ggufArchitectures[architecture] as Architecture;
  const key = (name: string): MetadataValue | undefined => metadata.get(`${architecture}.${name}`);
  const number = (name: string, otherwise?: number): number => {
    const value = key(name) ?? otherwise;
    if (typeof value !== "number" || !(value > 0)) throw new TrainingError(`decoderFromGguf: ${path}: expected ${architecture}.${name} to be a positive number, got ${String(value)}`);
    return value;
  };
  const whole = (name: string, otherwise?: number): number => {
    const value = number(name, otherwise);
    if (!Number.isInteger(value)) throw new TrainingError(`decoderFromGguf: ${path}: expected ${architecture}.${name} to be a whole number, got ${value}`);
    return value;
  };
  if (key("expert_count") !== undefined && key("expert_count") !== 0) throw new TrainingError(`decoderFromGguf: ${path}: it is a mixture of experts, which cannot be trained here; take a dense decoder`);
  const [width, heads] = [whole("embedding_length"), whole("attention.head_count")];
  const headWidth = whole("attention.key_length", width / heads);
  const scaling = key("rope.scaling.type");
  if (scaling !== undefined && scaling !== "none" && scaling !== "linear") throw new TrainingError(`decoderFromGguf: ${path}: ${architecture}.rope.scaling.type: expected none or linear, got ${String(scaling)}`);
  const linearFactor = scaling === "linear" ? number("rope.scaling.factor") : 1;
  const isGemma = architecture === "gemma3";
  const config: DecoderConfig = {
    ...shape,
    width,
    layers: whole("block_count"),
    heads,
    keyValueHeads: whole("attention.head_count_kv", heads),
    headWidth,
    mlpWidth: whole("feed_forward_length"),
    vocabularySize: tensors.get("token_embd.weight")?.shape[0] ?? whole("vocab_size"),
    rmsNormEps: number("attention.layer_norm_rms_epsilon"),
    ropeTheta: number("rope.freq_base", isGemma ? 1e6 : 10_000),
    untiedOutput: tensors.has("output.weight"),
    ...(linearFactor === 1 ? {} : { ropeDivisors: Array.from({ length: headWidth / 2 }, () => linearFactor) }),
    ...(isGemma ? { embeddingScale: Math.sqrt(width), window: { ...gemmaWindow, length: whole("attention.sliding_window", gemmaWindow.length) } } : {}),
  };
  // llama.cpp scales Gemma's 27B, of 62 layers, by its width and not its heads'.
  return { architecture, config: isGemma && config.layers === 62 ? { ...config, attentionScale: 1 / Math.sqrt(width / heads) } : config, rename: (name) => ggufDecoderName(name, shape) ?? name };
}

/** A decoder of a GGUF whose positions are divided by a tensor of the file (Llama 3), which is read here. */
export async function withRopeFactors(source: WeightSource, decoder: StoredDecoder): Promise<StoredDecoder> {
  if (source.format !== "gguf" || !source.tensors.has("rope_freqs.weight")) return decoder;
  return { ...decoder, config: { ...decoder.config, ropeDivisors: [...(await source.readFloat32("rope_freqs.weight"))] } };
}

/**
 * Reads a decoder's shape from a Hugging Face checkpoint, of a text model or of a vision-language model that holds one.
 * @param modelConfig the value of its config.json
 * @throws TrainingError for an architecture that cannot be trained, listing those that can, and for fields that are missing
 */
export function decoderFromCheckpoint(source: WeightSource, modelConfig: unknown): StoredDecoder {
  const { path } = source;
  const outer = fieldsOf(modelConfig);
  const fields = typeof outer["text_config"] === "object" ? fieldsOf(outer["text_config"]) : outer;
  const architecture = knownArchitecture(path, "model_type", fields["model_type"] ?? outer["model_type"], checkpointArchitectures);
  const number = (name: string, otherwise?: number): number => {
    const value = fields[name] ?? otherwise;
    if (typeof value !== "number" || !(value > 0)) throw new TrainingError(`decoderFromCheckpoint: ${path}: config.json: expected ${name} to be a positive number, got ${JSON.stringify(value)}`);
    return value;
  };
  const shape = checkpointArchitectures[architecture] as Architecture;
  const isGemma = shape === gemma3;
  const [width, heads] = [number("hidden_size"), number("num_attention_heads")];
  const headWidth = number("head_dim", isGemma ? 256 : width / heads);
  const rope = fieldsOf(fields["rope_scaling"] ?? fields["rope_parameters"]);
  const attentionBias = shape.attentionBias ?? false;
  if (fields["attention_bias"] === true && !attentionBias) throw new TrainingError(`decoderFromCheckpoint: ${path}: config.json: attention_bias is true, which ${architecture} cannot be trained with here`);
  const prefix = tablePrefix(source);
  const divisors = ropeDivisors(path, rope, headWidth, number("rope_theta", typeof rope["rope_theta"] === "number" ? rope["rope_theta"] : isGemma ? 1e6 : 10_000));
  const config: DecoderConfig = {
    ...shape,
    width,
    layers: number("num_hidden_layers"),
    heads,
    keyValueHeads: number("num_key_value_heads", heads),
    headWidth,
    mlpWidth: number("intermediate_size"),
    vocabularySize: source.tensors.get(`${prefix}embed_tokens.weight`)?.shape[0] ?? number("vocab_size"),
    rmsNormEps: number("rms_norm_eps", 1e-6),
    ropeTheta: number("rope_theta", typeof rope["rope_theta"] === "number" ? rope["rope_theta"] : isGemma ? 1e6 : 10_000),
    untiedOutput: (fields["tie_word_embeddings"] ?? outer["tie_word_embeddings"] ?? isGemma) !== true && source.tensors.has(headName(source, prefix)),
    ...(divisors ? { ropeDivisors: divisors } : {}),
    ...(isGemma
      ? {
          normPlusOne: true,
          embeddingScale: Math.sqrt(width),
          attentionScale: 1 / Math.sqrt(number("query_pre_attn_scalar", 256)),
          window: { length: number("sliding_window", 4096), period: number("sliding_window_pattern", gemmaWindow.period), ropeTheta: number("rope_local_base_freq", gemmaWindow.ropeTheta) },
        }
      : {}),
  };
  return { architecture, config, rename: (name) => (name.startsWith("lm_head.") ? headName(source, prefix) : name.replace(/^model\./, prefix)) };
}

/** What stands before `embed_tokens` and `layers`: `model.`, `language_model.model.`, `model.language_model.`. */
function tablePrefix(source: WeightSource): string {
  const found = [...source.tensors.keys()].filter((name) => name === "embed_tokens.weight" || name.endsWith(".embed_tokens.weight"));
  if (found.length !== 1) throw new TrainingError(`decoderFromCheckpoint: ${source.path}: expected one tensor called embed_tokens.weight, got ${found.join(", ") || "none"}`);
  return (found[0] as string).slice(0, -"embed_tokens.weight".length);
}

function headName(source: WeightSource, prefix: string): string {
  const inside = `${prefix.replace(/model\.$/, "")}lm_head.weight`;
  return source.tensors.has(inside) ? inside : "lm_head.weight";
}

/** Llama 3's stretching of long waves (transformers `_compute_llama3_parameters`), or the one factor of linear scaling. */
function ropeDivisors(path: string, rope: Readonly<Record<string, unknown>>, headWidth: number, theta: number): readonly number[] | undefined {
  const type = rope["rope_type"] ?? rope["type"] ?? "default";
  if (type === "default") return undefined;
  const number = (name: string): number => {
    const value = rope[name];
    if (typeof value !== "number" || !(value > 0)) throw new TrainingError(`decoderFromCheckpoint: ${path}: config.json: rope_scaling.${name}: expected a positive number, got ${JSON.stringify(value)}`);
    return value;
  };
  const half = headWidth / 2;
  if (type === "linear") return Array.from({ length: half }, () => number("factor"));
  if (type !== "llama3") throw new TrainingError(`decoderFromCheckpoint: ${path}: config.json: rope_scaling: expected default, linear or llama3, got ${JSON.stringify(type)}`);
  const [factor, low, high, original] = [number("factor"), number("low_freq_factor"), number("high_freq_factor"), number("original_max_position_embeddings")];
  return Array.from({ length: half }, (_, i) => {
    const wave = 2 * Math.PI * theta ** (i / half);
    if (wave < original / high) return 1;
    if (wave > original / low) return factor;
    const smooth = (original / wave - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function knownArchitecture(path: string, key: string, value: unknown, known: Readonly<Record<string, unknown>>): string {
  if (typeof value === "string" && Object.hasOwn(known, value)) return value;
  throw new TrainingError(`${path}: ${key} is ${value === undefined ? "missing" : JSON.stringify(value)}, a decoder that cannot be trained; known: ${Object.keys(known).join(", ")}`);
}
