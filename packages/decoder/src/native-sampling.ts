import koffi, { type LibraryHandle } from "koffi";
import { adapterFunctions, samplingFunctions, type AdapterFunctionName, type SamplingFunctionName } from "./abi/llama-v0.4.0-sampling.js";
import type { NativeFunction, Pointer } from "./native-bindings.js";

/** llama.cpp's samplers beyond the plain ones of Llama. `minKeep`: candidates that a sampler leaves at least. */
export interface NativeSampling {
  readonly apply: NativeFunction<[sampler: Pointer, candidates: Uint8Array], void>;
  readonly typical: NativeFunction<[p: number, minKeep: number], Pointer>;
  readonly tempExt: NativeFunction<[temperature: number, range: number, exponent: number], Pointer>;
  readonly xtc: NativeFunction<[probability: number, threshold: number, minKeep: number, seed: number], Pointer>;
  readonly topNSigma: NativeFunction<[n: number], Pointer>;
  readonly mirostat: NativeFunction<[vocabularySize: number, seed: number, tau: number, eta: number, m: number], Pointer>;
  readonly mirostatV2: NativeFunction<[seed: number, tau: number, eta: number], Pointer>;
  readonly adaptiveP: NativeFunction<[target: number, decay: number, seed: number], Pointer>;
  readonly dry: NativeFunction<
    [vocab: Pointer, multiplier: number, base: number, allowedLength: number, lastN: number, breakers: BigUint64Array, count: number],
    Pointer
  >;
  readonly logitBias: NativeFunction<[vocabularySize: number, count: number, biases: Uint8Array], Pointer>;
  readonly grammar: NativeFunction<[vocab: Pointer, grammar: Uint8Array, root: Uint8Array], Pointer | null>;
  readonly tokenAttributes: NativeFunction<[vocab: Pointer, token: number], number>;
  /** Writes the count; null when there are none. */
  readonly suppressedTokens: NativeFunction<[vocab: Pointer, count: Int32Array], Pointer | null>;
}

/** LoRA adapters. */
export interface NativeAdapters {
  /** Null when the file does not fit the model; freed with the model. */
  readonly init: NativeFunction<[model: Pointer, path: Uint8Array], Pointer | null>;
  readonly set: NativeFunction<[context: Pointer, adapters: BigUint64Array, count: number, scales: Float32Array], number>;
}

/** Looks the functions up in libllama. */
export function bindSampling(library: LibraryHandle): NativeSampling {
  const f = (name: SamplingFunctionName): ReturnType<LibraryHandle["func"]> => {
    const [result, args] = samplingFunctions[name];
    return library.func(name, result, [...args]);
  };
  return {
    apply: f("llama_sampler_apply"),
    typical: f("llama_sampler_init_typical"),
    tempExt: f("llama_sampler_init_temp_ext"),
    xtc: f("llama_sampler_init_xtc"),
    topNSigma: f("llama_sampler_init_top_n_sigma"),
    mirostat: f("llama_sampler_init_mirostat"),
    mirostatV2: f("llama_sampler_init_mirostat_v2"),
    adaptiveP: f("llama_sampler_init_adaptive_p"),
    dry: f("llama_sampler_init_dry"),
    logitBias: f("llama_sampler_init_logit_bias"),
    grammar: f("llama_sampler_init_grammar"),
    tokenAttributes: f("llama_vocab_get_attr"),
    suppressedTokens: f("llama_vocab_get_suppress_tokens"),
  };
}

/** Looks the functions up in libllama. */
export function bindAdapters(library: LibraryHandle): NativeAdapters {
  const f = (name: AdapterFunctionName): ReturnType<LibraryHandle["func"]> => {
    const [result, args] = adapterFunctions[name];
    return library.func(name, result, [...args]);
  };
  return { init: f("llama_adapter_lora_init"), set: f("llama_set_adapters_lora") };
}

/** Native memory as an array, not copied: valid as long as that memory is. */
export function int32View(address: Pointer, length: number): Int32Array {
  return new Int32Array(koffi.view(address, length * 4));
}
