import koffi, { type LibraryHandle } from "koffi";
import { llamaV040 as abi, type LlamaFunctionName } from "./abi/llama-v0.4.0.js";
import { DecoderError } from "./decoder-error.js";
import { locateLlama, type LlamaFiles } from "./library-location.js";
import { bindDevices, type NativeDevices } from "./native-devices.js";
import { bindMemory, type NativeMemory } from "./native-memory.js";
import { bindThreads, type NativeThreads } from "./native-threads.js";
import { bindAdapters, bindSampling, type NativeAdapters, type NativeSampling } from "./native-sampling.js";

/** An address in native memory. */
export type Pointer = bigint;

/** `llama_model_params` and `llama_context_params`: read with defaults, changed, passed by value. */
export type NativeParams = Record<string, number | bigint | boolean | null>;

/** `llama_batch` with addresses for its arrays. */
export interface NativeBatch {
  n_tokens: number;
  token: Pointer | null;
  embd: Pointer | null;
  pos: Pointer;
  n_seq_id: Pointer;
  seq_id: Pointer;
  logits: Pointer;
}

/** A function that can also run on one of koffi's worker threads; `async` calls back on the main thread. */
export interface NativeFunction<A extends readonly unknown[], R> {
  (...args: A): R;
  async(...args: [...A, (error: unknown, result: R) => void]): void;
}

/** llama.cpp's functions as they are used here; `Uint8Array` arguments must outlive the call. */
export interface Llama {
  readonly packageName: string;
  readonly model_default_params: NativeFunction<[], NativeParams>;
  readonly context_default_params: NativeFunction<[], NativeParams>;
  readonly sampler_chain_default_params: NativeFunction<[], NativeParams>;
  readonly backend_init: NativeFunction<[], void>;
  readonly supports_gpu_offload: NativeFunction<[], boolean>;
  readonly log_set: NativeFunction<[callback: Pointer, userData: null], void>;
  readonly model_load_from_file: NativeFunction<[path: Uint8Array, params: NativeParams], Pointer | null>;
  readonly model_free: NativeFunction<[model: Pointer], void>;
  readonly init_from_model: NativeFunction<[model: Pointer, params: NativeParams], Pointer | null>;
  readonly free: NativeFunction<[context: Pointer], void>;
  readonly n_ubatch: NativeFunction<[context: Pointer], number>;
  readonly model_get_vocab: NativeFunction<[model: Pointer], Pointer>;
  readonly model_rope_type: NativeFunction<[model: Pointer], number>;
  readonly model_n_ctx_train: NativeFunction<[model: Pointer], number>;
  readonly model_n_head: NativeFunction<[model: Pointer], number>;
  readonly model_n_embd_inp: NativeFunction<[model: Pointer], number>;
  readonly model_has_encoder: NativeFunction<[model: Pointer], boolean>;
  readonly model_has_decoder: NativeFunction<[model: Pointer], boolean>;
  readonly model_is_diffusion: NativeFunction<[model: Pointer], boolean>;
  readonly model_meta_val_str: NativeFunction<[model: Pointer, key: Uint8Array, out: Uint8Array, size: number], number>;
  readonly model_desc: NativeFunction<[model: Pointer, out: Uint8Array, size: number], number>;
  readonly model_size: NativeFunction<[model: Pointer], number | bigint>;
  readonly model_n_params: NativeFunction<[model: Pointer], number | bigint>;
  readonly get_memory: NativeFunction<[context: Pointer], Pointer | null>;
  readonly memory_seq_rm: NativeFunction<[memory: Pointer, sequence: number, from: number, to: number], boolean>;
  readonly decode: NativeFunction<[context: Pointer, batch: NativeBatch], number>;
  readonly synchronize: NativeFunction<[context: Pointer], void>;
  readonly get_logits_ith: NativeFunction<[context: Pointer, index: number], Pointer | null>;
  readonly vocab_type: NativeFunction<[vocab: Pointer], number>;
  readonly vocab_n_tokens: NativeFunction<[vocab: Pointer], number>;
  readonly vocab_is_eog: NativeFunction<[vocab: Pointer, token: number], boolean>;
  readonly vocab_bos: NativeFunction<[vocab: Pointer], number>;
  readonly vocab_eos: NativeFunction<[vocab: Pointer], number>;
  readonly vocab_get_add_bos: NativeFunction<[vocab: Pointer], boolean>;
  readonly tokenize: NativeFunction<
    [vocab: Pointer, text: Uint8Array, bytes: number, out: Int32Array, capacity: number, addSpecial: boolean, parseSpecial: boolean],
    number
  >;
  readonly token_to_piece: NativeFunction<[vocab: Pointer, token: number, out: Uint8Array, capacity: number, lstrip: number, special: boolean], number>;
  readonly detokenize: NativeFunction<
    [vocab: Pointer, tokens: Int32Array, count: number, out: Uint8Array, capacity: number, removeSpecial: boolean, unparseSpecial: boolean],
    number
  >;
  readonly sampler_chain_init: NativeFunction<[params: NativeParams], Pointer>;
  readonly sampler_chain_add: NativeFunction<[chain: Pointer, sampler: Pointer], void>;
  readonly sampler_init_greedy: NativeFunction<[], Pointer>;
  readonly sampler_init_dist: NativeFunction<[seed: number], Pointer>;
  readonly sampler_init_top_k: NativeFunction<[k: number], Pointer>;
  readonly sampler_init_top_p: NativeFunction<[p: number, minKeep: number], Pointer>;
  readonly sampler_init_min_p: NativeFunction<[p: number, minKeep: number], Pointer>;
  readonly sampler_init_temp: NativeFunction<[temperature: number], Pointer>;
  readonly sampler_init_penalties: NativeFunction<[vocabularySize: number, lastN: number, repeat: number, frequency: number, presence: number], Pointer>;
  readonly sampler_accept: NativeFunction<[sampler: Pointer, token: number], void>;
  readonly sampler_sample: NativeFunction<[sampler: Pointer, context: Pointer, index: number], number>;
  readonly sampler_free: NativeFunction<[sampler: Pointer], void>;
  readonly sampling: NativeSampling;
  readonly adapters: NativeAdapters;
  readonly memory: NativeMemory;
  readonly threads: NativeThreads;
  readonly devices: NativeDevices;
  /** The address of a function without arguments or effects: a log callback that ignores what it is given. */
  readonly ignoreLog: Pointer;
}

/** Floats of native memory, not copied: valid as long as that memory is. */
export function floatsAt(address: Pointer, length: number): Float32Array {
  return new Float32Array(koffi.view(address, length * 4));
}

/** Floats of native memory, copied: `float32[length]`. */
export function readFloats(address: Pointer, length: number): Float32Array {
  return floatsAt(address, length).slice();
}

/** The first float at an address. */
export function readFloat(address: Pointer): number {
  return koffi.decode.float(address);
}

/** Where a typed array's memory starts. Only for arrays over a buffer that was allocated as an ArrayBuffer: V8 may move others. */
export function addressOf(array: Int32Array | BigInt64Array | Int8Array | Uint8Array | Float32Array): Pointer {
  return koffi.address(array);
}

/** A JavaScript function as a native log callback. Release it with `releaseCallback`. */
export function registerLogCallback(callback: (level: number, text: string | null) => void): Pointer {
  return koffi.register(callback, koffi.pointer(abi.logCallback));
}

/** A JavaScript function as a native load-progress callback; false stops the load. Release it with `releaseCallback`. */
export function registerProgressCallback(callback: (fraction: number) => boolean): Pointer {
  return koffi.register(callback, koffi.pointer(abi.progressCallback));
}

/** Frees a registered callback; native code must not hold it any more. */
export function releaseCallback(callback: Pointer): void {
  koffi.unregister(callback);
}

let loaded: Promise<Llama> | undefined;

/**
 * llama.cpp, loaded once per process; its backends are registered.
 * @throws DecoderError `unsupported-platform`, `library-missing` or `library-mismatch`
 */
export function loadLlama(): Promise<Llama> {
  loaded ??= openFirst().catch((error: unknown) => {
    loaded = undefined;
    throw error;
  });
  return loaded;
}

async function openFirst(): Promise<Llama> {
  const builds = await locateLlama(abi);
  const failures: unknown[] = [];
  for (const files of builds) {
    try {
      return open(files);
    } catch (error) {
      if (error instanceof DecoderError) throw error;
      failures.push(error);
    }
  }
  throw new DecoderError(
    "library-missing",
    `loadDecoder: the libraries of ${builds.map((files) => files.packageName).join(", ")} do not load: ${failures.map((failure) => String(failure).replaceAll(/\s+/g, " ")).join("; ")}; install again: npm install --force ${builds.at(-1)?.packageName}@${abi.packageVersion}`,
    { cause: failures[0] },
  );
}

function open(files: LlamaFiles): Llama {
  enlargeStacks();
  // libllama finds the other two by name; loaded before it, they are the ones of its own folder on every platform.
  const base = koffi.load(files.ggmlBase, { global: true });
  const ggml = koffi.load(files.ggml, { global: true });
  const library = koffi.load(files.llama, { global: true });
  const llama = bind({ base, ggml, llama: library }, files.packageName);
  checkDefaults("llama_model_default_params", llama.model_default_params(), abi.expectedModelDefaults, files.packageName);
  checkDefaults("llama_context_default_params", llama.context_default_params(), abi.expectedContextDefaults, files.packageName);
  llama.log_set(llama.ignoreLog, null);
  const [result, args] = abi.loadBackends;
  const loadBackends: (directory: Uint8Array) => void = ggml.func("ggml_backend_load_all_from_path", result, [...args]);
  loadBackends(zeroTerminated(files.directory));
  llama.backend_init();
  return llama;
}

/**
 * Native code runs on stacks that koffi allocates, and its 128 KiB for worker threads are too few to build a graph on.
 * The sizes are fixed once any library is loaded.
 */
function enlargeStacks(): void {
  const bytes = 8 * 1024 * 1024;
  const { async_stack_size = 0, sync_stack_size = 0 } = koffi.config();
  if (async_stack_size >= bytes && sync_stack_size >= bytes) return;
  try {
    koffi.config({ async_stack_size: bytes, sync_stack_size: bytes });
  } catch (cause) {
    throw new DecoderError(
      "library-mismatch",
      `loadDecoder: koffi is already in use in this process with stacks of ${async_stack_size} bytes; ` +
        `expected ${bytes}: load the decoder first, or call koffi.config({ async_stack_size: ${bytes}, sync_stack_size: ${bytes} }) before the first koffi.load`,
      { cause },
    );
  }
}

/** Compares with the release's known defaults. Throws DecoderError `library-mismatch` at the first difference. */
export function checkDefaults(name: string, actual: NativeParams, expected: NativeParams, packageName: string): void {
  for (const [field, value] of Object.entries(expected)) {
    if (actual[field] === value) continue;
    throw new DecoderError(
      "library-mismatch",
      `loadDecoder: ${name} of ${packageName}: expected ${field} = ${value}, got ${actual[field]}: not llama.cpp ${abi.release}; ` +
        `run: npm install ${packageName}@${abi.packageVersion}`,
    );
  }
}

/** UTF-8 with a NUL at the end, as C wants its strings. */
export function zeroTerminated(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

function bind(libraries: Parameters<typeof bindDevices>[0], packageName: string): Llama {
  const library = libraries.llama;
  const f = (name: LlamaFunctionName): ReturnType<LibraryHandle["func"]> => {
    const [result, args] = abi.functions[name];
    return library.func(name, result, [...args]);
  };
  return {
    packageName,
    model_default_params: f("llama_model_default_params"),
    context_default_params: f("llama_context_default_params"),
    sampler_chain_default_params: f("llama_sampler_chain_default_params"),
    backend_init: f("llama_backend_init"),
    supports_gpu_offload: f("llama_supports_gpu_offload"),
    log_set: f("llama_log_set"),
    model_load_from_file: f("llama_model_load_from_file"),
    model_free: f("llama_model_free"),
    init_from_model: f("llama_init_from_model"),
    free: f("llama_free"),
    n_ubatch: f("llama_n_ubatch"),
    model_get_vocab: f("llama_model_get_vocab"),
    model_rope_type: f("llama_model_rope_type"),
    model_n_ctx_train: f("llama_model_n_ctx_train"),
    model_n_head: f("llama_model_n_head"),
    model_n_embd_inp: f("llama_model_n_embd_inp"),
    model_has_encoder: f("llama_model_has_encoder"),
    model_has_decoder: f("llama_model_has_decoder"),
    model_is_diffusion: f("llama_model_is_diffusion"),
    model_meta_val_str: f("llama_model_meta_val_str"),
    model_desc: f("llama_model_desc"),
    model_size: f("llama_model_size"),
    model_n_params: f("llama_model_n_params"),
    get_memory: f("llama_get_memory"),
    memory_seq_rm: f("llama_memory_seq_rm"),
    decode: f("llama_decode"),
    synchronize: f("llama_synchronize"),
    get_logits_ith: f("llama_get_logits_ith"),
    vocab_type: f("llama_vocab_type"),
    vocab_n_tokens: f("llama_vocab_n_tokens"),
    vocab_is_eog: f("llama_vocab_is_eog"),
    vocab_bos: f("llama_vocab_bos"),
    vocab_eos: f("llama_vocab_eos"),
    vocab_get_add_bos: f("llama_vocab_get_add_bos"),
    tokenize: f("llama_tokenize"),
    token_to_piece: f("llama_token_to_piece"),
    detokenize: f("llama_detokenize"),
    sampler_chain_init: f("llama_sampler_chain_init"),
    sampler_chain_add: f("llama_sampler_chain_add"),
    sampler_init_greedy: f("llama_sampler_init_greedy"),
    sampler_init_dist: f("llama_sampler_init_dist"),
    sampler_init_top_k: f("llama_sampler_init_top_k"),
    sampler_init_top_p: f("llama_sampler_init_top_p"),
    sampler_init_min_p: f("llama_sampler_init_min_p"),
    sampler_init_temp: f("llama_sampler_init_temp"),
    sampler_init_penalties: f("llama_sampler_init_penalties"),
    sampler_accept: f("llama_sampler_accept"),
    sampler_sample: f("llama_sampler_sample"),
    sampler_free: f("llama_sampler_free"),
    sampling: bindSampling(library),
    adapters: bindAdapters(library),
    memory: bindMemory(library),
    threads: bindThreads(libraries),
    devices: bindDevices(libraries),
    ignoreLog: library.symbol(abi.functionWithoutEffects),
  };
}
