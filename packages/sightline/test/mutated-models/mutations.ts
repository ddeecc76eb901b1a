import { arrayType, readDocument, sizeOfType, stringType, uint32, uint64, writeDocument, type GgufDocument, type GgufKey, type GgufTensor } from "./gguf-document.js";

/** Whole numbers from 0 below a limit. */
type Random = (limit: number) => number;

/** mulberry32. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

const one = <T>(random: Random, values: readonly T[]): T => values[random(values.length)] as T;

const integers: readonly bigint[] = [0n, 1n, 2n, 3n, 5n, 7n, 31n, 33n, 100n, 255n, 513n, 1025n, 65535n, 2n ** 20n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n];
const floats: readonly number[] = [0, -0, 1, -1, 1e-45, 1e-6, 1e6, 1e38, -1e38, Infinity, -Infinity, Number.NaN];

/** A value of a type of fixed size: near the one that stood there, at an edge, or any. */
function scalar(random: Random, type: number, before?: Buffer): Buffer {
  const size = sizeOfType[type] ?? 4;
  const bytes = Buffer.alloc(8);
  if (type === 6 && random(4) > 0) bytes.writeFloatLE(one(random, floats));
  else if (type === 12 && random(4) > 0) bytes.writeDoubleLE(one(random, floats));
  else if (before !== undefined && before.length >= size && random(3) === 0) {
    before.copy(bytes);
    const near = bytes.readBigUInt64LE() + one(random, [1n, -1n, 2n, -2n, 32n, -32n]);
    bytes.writeBigUInt64LE(BigInt.asUintN(64, random(4) === 0 ? bytes.readBigUInt64LE() * 2n : near));
  } else bytes.writeBigUInt64LE(BigInt.asUintN(64, one(random, integers)));
  return bytes.subarray(0, size);
}

const texts = ["", "llama", "qwen2", "qwen3", "gemma3", "clip", "mlp", "linear", "gpt2", "none", "yarn", "longrope", "a".repeat(5000), "\0", "\n", "\u{1f34e}", "<|im_end|>", "%s%n", "../../etc/passwd"];
const notUtf8 = Buffer.from([0xff, 0xfe, 0xc0, 0x80]);
/** Of llama.cpp's many: those that are most unlike each other. */
const architectures = ["llama", "llama4", "deci", "falcon", "grok", "gpt2", "gptneox", "mpt", "bert", "nomic-bert", "bloom", "stablelm", "qwen2", "qwen2moe", "qwen2vl", "qwen3", "qwen3moe", "qwen3vl", "qwen3next", "qwen35", "phi2", "phi3", "gemma", "gemma2", "gemma3", "gemma3n", "gemma4", "gemma-embedding", "mamba", "mamba2", "jamba", "falcon-h1", "command-r", "cohere2", "olmo2", "openelm", "deepseek2", "chatglm", "glm4", "t5", "t5encoder", "nemotron_h", "exaone4", "rwkv6", "rwkv7", "granite", "granitehybrid", "chameleon", "wavtokenizer-dec", "plm", "ernie4_5", "hunyuan-moe", "smollm3", "gpt-oss", "lfm2", "dream", "smallthinker", "llada", "apertus", "minimax-m2", "cogvlm", "mistral3", "kimi-linear", "clip", "not-an-architecture"];
const tokenizers = ["no_vocab", "none", "llama", "bert", "gpt2", "t5", "rwkv", "plamo2", "gemma4", "not-a-tokenizer"];
const pretokenizers = ["default", "llama-bpe", "deepseek-llm", "falcon", "gpt-2", "qwen2", "chatglm-bpe", "viking", "tekken", "gpt-4o", "superbpe", "kimi-k2", "gemma4", "jina-v1-en", "whitespace", "not-a-pretokenizer"];
/** Keys that decoders may have, the architecture's name left out, with the type that they have. */
const optionalKeys: readonly (readonly [key: string, type: number])[] = [
  ["expert_count", 4], ["expert_used_count", 4], ["expert_group_count", 4], ["expert_group_used_count", 4], ["nextn_predict_layers", 4], ["attention.sliding_window", 4],
  ["attention.sliding_window_pattern", 4], ["attention.causal", 7], ["attention.head_count_kv", 4], ["attention.key_length", 4], ["attention.value_length", 4], ["attention.key_length_swa", 4],
  ["attention.value_length_swa", 4], ["rope.dimension_count", 4], ["rope.dimension_count_swa", 4], ["rope.scaling.type", 8], ["rope.scaling.factor", 6], ["rope.scaling.original_context_length", 4], ["rope.scaling.attn_factor", 6],
  ["rope.freq_base", 6], ["rope.freq_base_swa", 6], ["pooling_type", 4], ["vocab_size", 4], ["n_deepstack_layers", 4], ["embedding_length_out", 4], ["final_logit_softcapping", 6], ["attn_logit_softcapping", 6], ["logit_scale", 6],
  ["attention.scale", 6], ["embedding_scale", 6], ["residual_scale", 6], ["use_parallel_residual", 7], ["attention.layer_norm_epsilon", 6], ["attention.layer_norm_rms_epsilon", 6], ["attention.clamp_kqv", 6], ["attention.max_alibi_bias", 6],
  ["full_attention_interval", 4], ["attention.shared_kv_layers", 4], ["attention.temperature_length", 4], ["ssm.conv_kernel", 4], ["shortconv.l_cache", 4], ["decoder_start_token_id", 4], ["tensor_data_layout", 8], ["dense_2_feat_out", 4], ["classifier.output_labels", 9],
];
const tokenizerKeys: readonly (readonly [key: string, type: number])[] = [
  ...["bos", "eos", "eot", "eom", "unknown", "seperator", "padding", "mask", "cls", "fim_pre", "fim_suf", "fim_mid", "fim_pad", "fim_rep", "fim_sep", "prefix", "suffix", "middle"].map((name) => [`tokenizer.ggml.${name}_token_id`, 4] as const),
  ["tokenizer.ggml.add_bos_token", 7], ["tokenizer.ggml.add_eos_token", 7], ["tokenizer.ggml.add_sep_token", 7], ["tokenizer.ggml.add_space_prefix", 7], ["tokenizer.ggml.remove_extra_whitespaces", 7],
  ["tokenizer.ggml.token_type_count", 4], ["tokenizer.ggml.precompiled_charsmap", 9], ["tokenizer.ggml.scores", 9], ["tokenizer.chat_template", 8],
  ["general.type", 8], ["general.alignment", 4], ["general.quantization_version", 4], ["general.file_type", 4], ["general.name", 8], ["split.count", 2], ["split.no", 2], ["split.tensors.count", 5],
];

/** One way to spoil a document. */
type Mutation = (document: GgufDocument, random: Random) => void;

const named = (document: GgufDocument, pattern: RegExp): GgufKey[] => document.keys.filter(({ key }) => pattern.test(key.toString("latin1")));
const architectureOf = (document: GgufDocument): string => named(document, /^general\.architecture$/)[0]?.values[0]?.toString() ?? "llama";
const anyTensor = (document: GgufDocument, random: Random): GgufTensor | undefined => (document.tensors.length === 0 ? undefined : one(random, document.tensors));

function setKey(document: GgufDocument, key: GgufKey): void {
  const at = document.keys.findIndex((other) => other.key.equals(key.key));
  if (at < 0) document.keys.push(key);
  else document.keys[at] = key;
}

function valueOf(random: Random, type: number): Pick<GgufKey, "type" | "of" | "values"> {
  if (type === stringType) return { type, values: [Buffer.from(one(random, texts))] };
  if (type !== arrayType) return { type, values: [scalar(random, type)] };
  const of = one(random, [0, 4, 5, 6, 7, 8]);
  return { type, of, values: Array.from({ length: one(random, [0, 1, 2, 3, 4, 100, 1000]) }, () => (of === stringType ? Buffer.from(one(random, texts)) : scalar(random, of))) };
}

function spoilArray(key: GgufKey, random: Random): void {
  const values = [...key.values];
  const at = random(Math.max(1, values.length));
  const how = random(7);
  if (how === 0) values.length = random(values.length + 1);
  else if (how === 1) values.push(...values.slice(0, 1 + random(8)));
  else if (how === 2) key.count = one(random, integers);
  else if (how === 3) key.of = random(14);
  else if (how === 4 && values.length > 1) values[at] = values[random(values.length)] as Buffer;
  else if (how === 5) for (let n = random(20); n >= 0; n--) values[random(Math.max(1, values.length))] = element(random, key.of ?? 4);
  else values[at] = element(random, key.of ?? 4, values[at]);
  key.values = values;
}

function element(random: Random, type: number, before?: Buffer): Buffer {
  if (type !== stringType) return scalar(random, type, before);
  return one(random, [Buffer.alloc(0), notUtf8, Buffer.from(one(random, texts)), Buffer.from(" "), Buffer.from("nothing like this"), Buffer.from("a  b")]);
}

const documentMutations: Readonly<Record<string, Mutation>> = {
  count(document, random) {
    const value = one(random, integers);
    if (random(2) === 0) document.tensorCount = value;
    else document.keyCount = value;
  },
  version(document, random) {
    document.version = random(8);
  },
  number(document, random) {
    const keys = document.keys.filter(({ type }) => sizeOfType[type] !== undefined);
    if (keys.length === 0) return;
    const key = one(random, keys);
    key.values = [scalar(random, key.type, key.values[0])];
  },
  retype(document, random) {
    const key = one(random, document.keys);
    if (random(2) === 0) key.type = random(15);
    else Object.assign(key, { of: undefined, ...valueOf(random, one(random, [0, 4, 5, 6, 7, 8, 9, 10, 12])) });
  },
  text(document, random) {
    const keys = document.keys.filter(({ type }) => type === stringType);
    if (keys.length > 0) one(random, keys).values = [random(5) === 0 ? notUtf8 : Buffer.from(one(random, texts))];
  },
  array(document, random) {
    const arrays = document.keys.filter(({ of }) => of !== undefined);
    if (arrays.length > 0) spoilArray(one(random, arrays), random);
  },
  perBlock(document, random) {
    const architecture = architectureOf(document);
    const key = one(random, ["attention.head_count", "attention.head_count_kv", "feed_forward_length", "attention.sliding_window_pattern", "expert_used_count", "rope.dimension_sections"]);
    const of = one(random, [4, 5, 7]);
    setKey(document, { key: Buffer.from(`${architecture}.${key}`), type: arrayType, of, values: Array.from({ length: one(random, [0, 1, 2, 3, 4, 5, 600]) }, () => (random(2) === 0 ? uint32(1 + random(4)).subarray(0, sizeOfType[of]) : scalar(random, of))) });
  },
  drop(document, random) {
    document.keys.splice(random(document.keys.length), 1);
  },
  repeat(document, random) {
    document.keys.push({ ...one(random, document.keys) });
  },
  optional(document, random) {
    const [key, type] = one(random, optionalKeys);
    setKey(document, { key: Buffer.from(`${architectureOf(document)}.${key}`), ...valueOf(random, type) });
  },
  tokenizer(document, random) {
    const [key, type] = one(random, tokenizerKeys);
    setKey(document, { key: Buffer.from(key), ...valueOf(random, type) });
  },
  tokenizerKind(document, random) {
    const [key, kinds] = one(random, [["tokenizer.ggml.model", tokenizers], ["tokenizer.ggml.pre", pretokenizers]] as const);
    setKey(document, { key: Buffer.from(key), type: stringType, values: [Buffer.from(one<string>(random, kinds))] });
  },
  architecture(document, random) {
    const [before, after] = [architectureOf(document), one(random, architectures)];
    for (const key of document.keys) {
      const name = key.key.toString("latin1");
      if (name === "general.architecture") key.values = [Buffer.from(after)];
      else if (name.startsWith(`${before}.`) && random(40) > 0) key.key = Buffer.from(after + name.slice(before.length));
    }
  },
  dropTensor(document, random) {
    document.tensors.splice(random(document.tensors.length), 1);
  },
  rename(document, random) {
    const tensor = anyTensor(document, random);
    if (tensor) tensor.name = one(random, [document.tensors[random(document.tensors.length)]?.name ?? Buffer.alloc(0), Buffer.alloc(0), Buffer.from("x".repeat(100)), notUtf8, Buffer.from(tensor.name.toString("latin1").replace(/\d+/, String(random(600))))]);
  },
  shape(document, random) {
    const tensor = anyTensor(document, random);
    if (!tensor) return;
    const dims = [...tensor.dims];
    const at = random(Math.max(1, dims.length));
    const how = random(5);
    if (how === 0) dims.reverse();
    else if (how === 1) dims.push(one(random, integers));
    else if (how === 2) dims.splice(at, 1);
    else if (how === 3) dims[at] = (dims[at] ?? 1n) + one(random, [1n, -1n, 32n]);
    else dims[at] = one(random, integers);
    tensor.dims = dims;
  },
  smaller(document, random) {
    const tensor = anyTensor(document, random);
    if (tensor) tensor.dims = tensor.dims.map((dim) => (random(2) === 0 && dim > 1n ? dim / 2n : dim));
  },
  tensorType(document, random) {
    const tensor = anyTensor(document, random);
    if (tensor) tensor.type = random(45);
  },
  offset(document, random) {
    const tensor = anyTensor(document, random);
    if (tensor) tensor.offset = random(2) === 0 ? one(random, integers) : BigInt(32 * random(100_000));
  },
  data(document, random) {
    const tensor = anyTensor(document, random);
    if (!tensor) return;
    const data = Buffer.from(tensor.data);
    const how = random(5);
    if (how === 0) data.fill(0);
    else if (how === 1) data.fill(0xff);
    else if (how === 2) for (let i = 0; i + 4 <= data.length; i += 4) data.writeFloatLE(one(random, floats), i);
    else if (how === 3) data.fill(Buffer.from([0, 0x7c]));
    else for (let n = 0; n < 20 && data.length > 0; n++) data[random(data.length)] = random(256);
    tensor.data = data;
  },
};

/** One way to spoil bytes of which so many are the header. */
type ByteMutation = (bytes: Buffer, headerBytes: number, random: Random) => Buffer;

const byteMutations: Readonly<Record<string, ByteMutation>> = {
  flipHeader(bytes, headerBytes, random) {
    const spoilt = Buffer.from(bytes);
    for (let n = random(8); n >= 0; n--) {
      const at = random(headerBytes);
      spoilt[at] = (spoilt[at] as number) ^ (1 << random(8));
    }
    return spoilt;
  },
  flipStart(bytes, headerBytes, random) {
    const spoilt = Buffer.from(bytes);
    const at = random(Math.min(headerBytes, 1500));
    spoilt[at] = (spoilt[at] as number) ^ (1 << random(8));
    return spoilt;
  },
  flipAnywhere(bytes, _, random) {
    const spoilt = Buffer.from(bytes);
    for (let n = random(30); n >= 0; n--) spoilt[random(spoilt.length)] = random(256);
    return spoilt;
  },
  cut: (bytes, headerBytes, random) => bytes.subarray(0, random(2) === 0 ? random(headerBytes) : random(bytes.length)),
  overwrite(bytes, headerBytes, random) {
    const spoilt = Buffer.from(bytes);
    uint64(one(random, integers)).copy(spoilt, 4 + random(headerBytes - 12));
    return spoilt;
  },
  insert(bytes, headerBytes, random) {
    const at = random(headerBytes);
    const [added, dropped] = [random(9), random(9)];
    return Buffer.concat([bytes.subarray(0, at), Buffer.alloc(added, random(256)), bytes.subarray(at + dropped)]);
  },
  append: (bytes, _, random) => Buffer.concat([bytes, Buffer.alloc(1 + random(1000), random(256))]),
};

/** A mutant, and what was done to it. */
export interface Mutant {
  readonly bytes: Buffer;
  readonly how: string;
}

/** Spoils a GGUF file that is right, in one to three ways. The same seed gives the same mutant. */
export function mutate(file: Buffer, seed: number): Mutant {
  const random = seededRandom(seed);
  if (random(5) === 0) {
    const [how, mutation] = one(random, Object.entries(byteMutations));
    return { bytes: mutation(file, writeDocument(readDocument(file)).headerBytes, random), how };
  }
  const document = readDocument(file);
  const done: string[] = [];
  for (let n = one(random, [1, 1, 1, 2, 3]); n > 0; n--) {
    const [how, mutation] = one(random, Object.entries(documentMutations));
    if (document.keys.length > 0) mutation(document, random);
    done.push(how);
  }
  return { bytes: writeDocument(document).bytes, how: done.join("+") };
}
