import koffi, { type TypeObject } from "koffi";

/**
 * The C interface of llama.cpp v0.4.0 (`include/llama.h` of that release), as far as it is used here.
 *
 * Parameters and batches are passed by value, so a layout that is off by one field corrupts memory instead of failing:
 * this file belongs to exactly one release. Moving to another one means a file like this beside it.
 */

/** llama.cpp's name for the release. */
const release = "v0.4.0";

/** The version of the `@node-llama-cpp/*` packages that carry it. */
const packageVersion = "3.21.1";

const modelParams: TypeObject = koffi.struct({
  devices: "void *",
  tensor_buft_overrides: "void *",
  n_gpu_layers: "int32_t",
  split_mode: "int32_t",
  load_mode: "int32_t",
  lazy_mode: "int32_t",
  main_gpu: "int32_t",
  tensor_split: "void *",
  progress_callback: "void *",
  progress_callback_user_data: "void *",
  kv_overrides: "void *",
  vocab_only: "bool",
  check_tensors: "bool",
  use_extra_bufts: "bool",
  no_host: "bool",
  no_alloc: "bool",
  load_mtp: "bool",
});

const contextParams: TypeObject = koffi.struct({
  n_ctx: "uint32_t",
  n_batch: "uint32_t",
  n_ubatch: "uint32_t",
  n_seq_max: "uint32_t",
  n_rs_seq: "uint32_t",
  n_outputs_max: "uint32_t",
  n_outputs_max_per_seq: "uint32_t",
  n_threads: "int32_t",
  n_threads_batch: "int32_t",
  ctx_type: "int32_t",
  rope_scaling_type: "int32_t",
  pooling_type: "int32_t",
  attention_type: "int32_t",
  flash_attn_type: "int32_t",
  rope_freq_base: "float",
  rope_freq_scale: "float",
  yarn_ext_factor: "float",
  yarn_attn_factor: "float",
  yarn_beta_fast: "float",
  yarn_beta_slow: "float",
  yarn_orig_ctx: "uint32_t",
  defrag_thold: "float",
  cb_eval: "void *",
  cb_eval_user_data: "void *",
  type_k: "int32_t",
  type_v: "int32_t",
  abort_callback: "void *",
  abort_callback_data: "void *",
  embeddings: "bool",
  offload_kqv: "bool",
  no_perf: "bool",
  op_offload: "bool",
  swa_full: "bool",
  kv_unified: "bool",
  samplers: "void *",
  n_samplers: "size_t",
  ctx_other: "void *",
});

const batch: TypeObject = koffi.struct({
  n_tokens: "int32_t",
  token: "void *",
  embd: "void *",
  pos: "void *",
  n_seq_id: "void *",
  seq_id: "void *",
  logits: "void *",
});

const samplerChainParams: TypeObject = koffi.struct({ no_perf: "bool" });

/** `void (*)(enum ggml_log_level, const char * text, void * user_data)` */
const logCallback: TypeObject = koffi.proto("void", ["int", "const char *", "void *"]);

/** `bool (*)(float progress, void * user_data)` */
const progressCallback: TypeObject = koffi.proto("bool", ["float", "void *"]);

/** A native function's result and arguments. */
export type Signature = readonly [result: TypeObject | string, args: readonly (TypeObject | string)[]];

/** The functions of libllama that are used here. Strings go in as bytes with a length, or as NUL-terminated bytes. */
export type LlamaFunctionName =
  | "llama_backend_init"
  | "llama_context_default_params"
  | "llama_decode"
  | "llama_detokenize"
  | "llama_free"
  | "llama_get_logits_ith"
  | "llama_get_memory"
  | "llama_init_from_model"
  | "llama_log_set"
  | "llama_memory_seq_rm"
  | "llama_model_default_params"
  | "llama_model_desc"
  | "llama_model_free"
  | "llama_model_get_vocab"
  | "llama_model_has_decoder"
  | "llama_model_has_encoder"
  | "llama_model_is_diffusion"
  | "llama_model_load_from_file"
  | "llama_model_meta_val_str"
  | "llama_model_n_ctx_train"
  | "llama_model_n_embd_inp"
  | "llama_model_n_head"
  | "llama_model_n_params"
  | "llama_model_rope_type"
  | "llama_model_size"
  | "llama_n_ubatch"
  | "llama_sampler_accept"
  | "llama_sampler_chain_add"
  | "llama_sampler_chain_default_params"
  | "llama_sampler_chain_init"
  | "llama_sampler_free"
  | "llama_sampler_init_dist"
  | "llama_sampler_init_greedy"
  | "llama_sampler_init_min_p"
  | "llama_sampler_init_penalties"
  | "llama_sampler_init_temp"
  | "llama_sampler_init_top_k"
  | "llama_sampler_init_top_p"
  | "llama_sampler_sample"
  | "llama_supports_gpu_offload"
  | "llama_synchronize"
  | "llama_token_to_piece"
  | "llama_tokenize"
  | "llama_vocab_bos"
  | "llama_vocab_eos"
  | "llama_vocab_get_add_bos"
  | "llama_vocab_is_eog"
  | "llama_vocab_n_tokens"
  | "llama_vocab_type";

const functions: Readonly<Record<LlamaFunctionName, Signature>> = {
  llama_model_default_params: [modelParams, []],
  llama_context_default_params: [contextParams, []],
  llama_sampler_chain_default_params: [samplerChainParams, []],
  llama_backend_init: ["void", []],
  llama_supports_gpu_offload: ["bool", []],
  llama_log_set: ["void", ["void *", "void *"]],

  llama_model_load_from_file: ["void *", ["void *", modelParams]],
  llama_model_free: ["void", ["void *"]],
  llama_init_from_model: ["void *", ["void *", contextParams]],
  llama_free: ["void", ["void *"]],
  llama_n_ubatch: ["uint32_t", ["void *"]],

  llama_model_get_vocab: ["void *", ["void *"]],
  llama_model_rope_type: ["int32_t", ["void *"]],
  llama_model_n_ctx_train: ["int32_t", ["void *"]],
  llama_model_n_embd_inp: ["int32_t", ["void *"]],
  llama_model_n_head: ["int32_t", ["void *"]],
  llama_model_has_encoder: ["bool", ["void *"]],
  llama_model_has_decoder: ["bool", ["void *"]],
  llama_model_is_diffusion: ["bool", ["void *"]],
  llama_model_meta_val_str: ["int32_t", ["void *", "void *", "void *", "size_t"]],
  llama_model_desc: ["int32_t", ["void *", "void *", "size_t"]],
  llama_model_size: ["uint64_t", ["void *"]],
  llama_model_n_params: ["uint64_t", ["void *"]],

  llama_get_memory: ["void *", ["void *"]],
  llama_memory_seq_rm: ["bool", ["void *", "int32_t", "int32_t", "int32_t"]],
  llama_decode: ["int32_t", ["void *", batch]],
  llama_synchronize: ["void", ["void *"]],
  llama_get_logits_ith: ["void *", ["void *", "int32_t"]],

  llama_vocab_type: ["int32_t", ["void *"]],
  llama_vocab_n_tokens: ["int32_t", ["void *"]],
  llama_vocab_is_eog: ["bool", ["void *", "int32_t"]],
  llama_vocab_bos: ["int32_t", ["void *"]],
  llama_vocab_eos: ["int32_t", ["void *"]],
  llama_vocab_get_add_bos: ["bool", ["void *"]],
  llama_tokenize: ["int32_t", ["void *", "void *", "int32_t", "void *", "int32_t", "bool", "bool"]],
  llama_token_to_piece: ["int32_t", ["void *", "int32_t", "void *", "int32_t", "int32_t", "bool"]],
  llama_detokenize: ["int32_t", ["void *", "void *", "int32_t", "void *", "int32_t", "bool", "bool"]],

  llama_sampler_chain_init: ["void *", [samplerChainParams]],
  llama_sampler_chain_add: ["void", ["void *", "void *"]],
  llama_sampler_init_greedy: ["void *", []],
  llama_sampler_init_dist: ["void *", ["uint32_t"]],
  llama_sampler_init_top_k: ["void *", ["int32_t"]],
  llama_sampler_init_top_p: ["void *", ["float", "size_t"]],
  llama_sampler_init_min_p: ["void *", ["float", "size_t"]],
  llama_sampler_init_temp: ["void *", ["float"]],
  llama_sampler_init_penalties: ["void *", ["int32_t", "int32_t", "float", "float", "float"]],
  llama_sampler_accept: ["void", ["void *", "int32_t"]],
  llama_sampler_sample: ["int32_t", ["void *", "void *", "int32_t"]],
  llama_sampler_free: ["void", ["void *"]],
};

/** `ggml_backend_load_all_from_path`, of libggml: registers the backends that lie in a folder. */
const loadBackends: Signature = ["void", ["void *"]];

/** A function of libllama that takes nothing and changes nothing. Called with a log callback's arguments it ignores them. */
const functionWithoutEffects = "llama_max_parallel_sequences";

type Defaults = Readonly<Record<string, number | bigint | boolean | null>>;

/**
 * What this release's `*_default_params` return at fields spread over the whole structs.
 * Compared before anything else is called: a library of another release shows itself here.
 */
const expectedModelDefaults: Defaults = {
  devices: null,
  n_gpu_layers: -1,
  split_mode: 1,
  load_mode: -1,
  lazy_mode: 1,
  main_gpu: 0,
  progress_callback: null,
  kv_overrides: null,
  vocab_only: false,
  use_extra_bufts: true,
  no_alloc: false,
  load_mtp: false,
};

const expectedContextDefaults: Defaults = {
  n_ctx: 512,
  n_batch: 2048,
  n_ubatch: 512,
  n_seq_max: 1,
  n_outputs_max: 0,
  n_outputs_max_per_seq: 1,
  n_threads: 4,
  n_threads_batch: 4,
  rope_scaling_type: -1,
  pooling_type: -1,
  attention_type: -1,
  flash_attn_type: -1,
  yarn_beta_slow: -1,
  defrag_thold: -1,
  cb_eval: null,
  type_k: 1,
  type_v: 1,
  embeddings: false,
  offload_kqv: true,
  no_perf: true,
  swa_full: true,
  kv_unified: false,
  n_samplers: 0,
  ctx_other: null,
};

/** `llama_rope_type` values whose embeddings take four positions each (M-RoPE). */
const multiAxisRopeTypes: ReadonlySet<number> = new Set([8, 24, 40]);

/** `llama_flash_attn_type`. */
const flashAttention: { readonly auto: number; readonly off: number; readonly on: number } = { auto: -1, off: 0, on: 1 };

/** `llama_vocab_type`: no tokenizer, and byte pairs. */
const vocabType: { readonly none: number; readonly bytePairs: number } = { none: 0, bytePairs: 2 };

/** Everything that depends on the release. */
export const llamaV040: {
  readonly release: string;
  readonly packageVersion: string;
  readonly functions: Readonly<Record<LlamaFunctionName, Signature>>;
  readonly loadBackends: Signature;
  readonly functionWithoutEffects: string;
  readonly logCallback: TypeObject;
  readonly progressCallback: TypeObject;
  readonly expectedModelDefaults: Defaults;
  readonly expectedContextDefaults: Defaults;
  readonly multiAxisRopeTypes: ReadonlySet<number>;
  readonly flashAttention: { readonly auto: number; readonly off: number; readonly on: number };
  readonly vocabType: { readonly none: number; readonly bytePairs: number };
} = {
  release,
  packageVersion,
  functions,
  loadBackends,
  functionWithoutEffects,
  logCallback,
  progressCallback,
  expectedModelDefaults,
  expectedContextDefaults,
  multiAxisRopeTypes,
  flashAttention,
  vocabType,
};
