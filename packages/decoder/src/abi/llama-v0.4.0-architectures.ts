/**
 * What llama.cpp v0.4.0 takes for granted of the files of an architecture, and ends the process over (`src/models`,
 * `llama-vocab.cpp`, `llama-model.cpp`); see llama-v0.4.0.ts. Names are those of `general.architecture`.
 */

/** Attention of one width for queries, keys and values, with matrices of their own. `whole`: all of a head is rotated. */
export const plainAttention: Readonly<Record<string, "whole" | "part">> = {
  arcee: "whole",
  baichuan: "whole",
  cohere2: "part",
  "command-r": "part",
  exaone: "whole",
  gemma: "part",
  gemma2: "part",
  gemma3: "part",
  granite: "whole",
  internlm2: "whole",
  llama: "whole",
  mistral3: "whole",
  olmo2: "whole",
  olmoe: "whole",
  qwen2: "whole",
  qwen2moe: "whole",
  qwen2vl: "whole",
  qwen3: "whole",
  qwen3moe: "whole",
  qwen3vl: "whole",
  qwen3vlmoe: "whole",
  seed_oss: "whole",
  smollm3: "whole",
  starcoder2: "whole",
};

/** Positions of several axes: `rope.dimension_sections` says how they share a head. */
export const multiAxis: ReadonlySet<string> = new Set(["qwen2vl", "qwen3vl", "qwen3vlmoe"]);

/** Mixtures of experts that are not tried without any. */
export const expertsNeeded: ReadonlySet<string> = new Set(["bailingmoe2", "grovemoe", "llada-moe", "smallthinker"]);

/** Parts of other models, and models of other things than text. */
export const notTextModels: Readonly<Record<string, string>> = {
  clip: "an mmproj, which sees and does not speak",
  controlvector: "a control vector",
  dflash: "a drafting model, which runs beside another",
  eagle3: "a drafting model, which runs beside another",
  "gemma4-assistant": "a drafting model, which runs beside another",
  pockettts: "a speech model",
  qwen3tts: "a speech model",
  "wavtokenizer-dec": "a speech model",
};

/** `tokenizer.ggml.model` of tokenizers that cannot be led astray once their vocabulary is checked, and what kind they are. */
export const tokenizers: Readonly<Record<string, "byte-pairs" | "sentencepiece">> = { gemma4: "byte-pairs", gpt2: "byte-pairs", llama: "sentencepiece" };

export const ropeScalings: readonly string[] = ["none", "linear", "yarn", "longrope"];

/** Most blocks and experts of a model. */
export const limits: { readonly blocks: number; readonly experts: number } = { blocks: 512, experts: 1024 };

/** ggml types that matrices can be stored as: those that products are defined for. */
export const matrixTypes: ReadonlySet<number> = new Set([0, 1, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 22, 23, 29, 30, 34, 35, 39, 40]);
/** And those that norms, biases and scales can be stored as. */
export const vectorTypes: ReadonlySet<number> = new Set([0, 1, 30]);
