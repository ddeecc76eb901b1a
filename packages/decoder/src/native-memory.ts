import type { LibraryHandle } from "koffi";
import { memoryFunctions } from "./abi/llama-v0.4.0-memory.js";
import type { NativeFunction, Pointer } from "./native-bindings.js";

/** llama.cpp's functions for what a context remembers of its sequences. */
export interface NativeMemory {
  /** Gives the positions from `from` up to `to` of one sequence to another as well; both -1: all of them. */
  readonly copySequence: NativeFunction<[memory: Pointer, source: number, target: number, from: number, to: number], void>;
  /** Whether the rows of a batch look at earlier ones only. */
  readonly setCausal: NativeFunction<[context: Pointer, causal: boolean], void>;
  readonly stateSize: NativeFunction<[context: Pointer, sequence: number], number | bigint>;
  readonly readState: NativeFunction<[context: Pointer, out: Uint8Array, size: number, sequence: number], number | bigint>;
  /** 0 when the state is refused. */
  readonly writeState: NativeFunction<[context: Pointer, state: Uint8Array, size: number, sequence: number], number | bigint>;
  readonly isRecurrent: NativeFunction<[model: Pointer], boolean>;
  readonly isHybrid: NativeFunction<[model: Pointer], boolean>;
}

export function bindMemory(library: LibraryHandle): NativeMemory {
  const f = (name: keyof typeof memoryFunctions): ReturnType<LibraryHandle["func"]> => {
    const [result, args] = memoryFunctions[name];
    return library.func(name, result, [...args]);
  };
  return {
    copySequence: f("llama_memory_seq_cp"),
    setCausal: f("llama_set_causal_attn"),
    stateSize: f("llama_state_seq_get_size"),
    readState: f("llama_state_seq_get_data"),
    writeState: f("llama_state_seq_set_data"),
    isRecurrent: f("llama_model_is_recurrent"),
    isHybrid: f("llama_model_is_hybrid"),
  };
}
