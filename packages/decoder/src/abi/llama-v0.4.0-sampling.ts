import type { Signature } from "./llama-v0.4.0.js";

/** Samplers, logit bias, grammars and LoRA adapters of llama.cpp v0.4.0 (`include/llama.h`); see llama-v0.4.0.ts. */

/** The functions of libllama behind NativeSampling. */
export type SamplingFunctionName =
  | "llama_sampler_apply"
  | "llama_sampler_init_adaptive_p"
  | "llama_sampler_init_dry"
  | "llama_sampler_init_grammar"
  | "llama_sampler_init_logit_bias"
  | "llama_sampler_init_mirostat"
  | "llama_sampler_init_mirostat_v2"
  | "llama_sampler_init_temp_ext"
  | "llama_sampler_init_top_n_sigma"
  | "llama_sampler_init_typical"
  | "llama_sampler_init_xtc"
  | "llama_vocab_get_attr"
  | "llama_vocab_get_suppress_tokens";

/** Their signatures. */
export const samplingFunctions: Readonly<Record<SamplingFunctionName, Signature>> = {
  llama_sampler_apply: ["void", ["void *", "void *"]],
  llama_sampler_init_typical: ["void *", ["float", "size_t"]],
  llama_sampler_init_temp_ext: ["void *", ["float", "float", "float"]],
  llama_sampler_init_xtc: ["void *", ["float", "float", "size_t", "uint32_t"]],
  llama_sampler_init_top_n_sigma: ["void *", ["float"]],
  llama_sampler_init_mirostat: ["void *", ["int32_t", "uint32_t", "float", "float", "int32_t"]],
  llama_sampler_init_mirostat_v2: ["void *", ["uint32_t", "float", "float"]],
  llama_sampler_init_adaptive_p: ["void *", ["float", "float", "uint32_t"]],
  llama_sampler_init_dry: ["void *", ["void *", "float", "float", "int32_t", "int32_t", "void *", "size_t"]],
  llama_sampler_init_logit_bias: ["void *", ["int32_t", "int32_t", "void *"]],
  llama_sampler_init_grammar: ["void *", ["void *", "void *", "void *"]],
  llama_vocab_get_attr: ["int32_t", ["void *", "int32_t"]],
  llama_vocab_get_suppress_tokens: ["void *", ["void *", "void *"]],
};

/** The functions of libllama behind NativeAdapters. */
export type AdapterFunctionName = "llama_adapter_lora_init" | "llama_set_adapters_lora";

/** Their signatures. Adapters are freed with their model. */
export const adapterFunctions: Readonly<Record<AdapterFunctionName, Signature>> = {
  llama_adapter_lora_init: ["void *", ["void *", "void *"]],
  llama_set_adapters_lora: ["int32_t", ["void *", "void *", "size_t", "void *"]],
};

/** `llama_token_data` in bytes: id, logit, probability. */
export const tokenDataBytes = 12;

/** `llama_token_data_array`: where its fields lie, in bytes. */
export const tokenDataArray: { readonly data: number; readonly size: number; readonly selected: number; readonly sorted: number; readonly bytes: number } = {
  data: 0,
  size: 8,
  selected: 16,
  sorted: 24,
  bytes: 32,
};

/** Bits of `llama_token_attr` whose tokens give no text: LLAMA_TOKEN_ATTR_UNKNOWN and LLAMA_TOKEN_ATTR_CONTROL. */
export const silentTokenBits: number = (1 << 0) | (1 << 3);

/** LLAMA_TOKEN_ATTR_LSTRIP and LLAMA_TOKEN_ATTR_RSTRIP: such a token takes the white space on that side with it. */
export const stripBits: { readonly before: number; readonly after: number } = { before: 1 << 7, after: 1 << 8 };
