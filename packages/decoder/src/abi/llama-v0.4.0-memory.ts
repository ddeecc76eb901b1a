import type { Signature } from "./llama-v0.4.0.js";

/** Functions of libllama for what a context remembers of its sequences. */
export const memoryFunctions: Readonly<
  Record<
    | "llama_memory_seq_cp"
    | "llama_set_causal_attn"
    | "llama_state_seq_get_size"
    | "llama_state_seq_get_data"
    | "llama_state_seq_set_data"
    | "llama_model_is_recurrent"
    | "llama_model_is_hybrid",
    Signature
  >
> = {
  llama_memory_seq_cp: ["void", ["void *", "int32_t", "int32_t", "int32_t", "int32_t"]],
  llama_set_causal_attn: ["void", ["void *", "bool"]],
  llama_state_seq_get_size: ["size_t", ["void *", "int32_t"]],
  llama_state_seq_get_data: ["size_t", ["void *", "void *", "size_t", "int32_t"]],
  llama_state_seq_set_data: ["size_t", ["void *", "void *", "size_t", "int32_t"]],
  llama_model_is_recurrent: ["bool", ["void *"]],
  llama_model_is_hybrid: ["bool", ["void *"]],
};
