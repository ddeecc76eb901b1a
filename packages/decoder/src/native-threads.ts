import koffi, { type LibraryHandle } from "koffi";
import { cpuBackendFunctions, cpuDeviceType, threadFunctions, threadPoolParams } from "./abi/llama-v0.4.0-threads.js";
import type { Pointer } from "./native-bindings.js";

/** Threads that ggml computes with. */
export interface NativeThreads {
  /**
   * Makes a pool of threads and lets a context compute with it. Without one ggml starts its threads anew for every decode,
   * and they often land on a core that is taken: a 5 ms decode on two cores took 20 ms and more, at random.
   * @returns frees the pool, once the context is freed; undefined where this build has no pools
   */
  readonly attachPool: (context: Pointer, threads: number) => (() => void) | undefined;
}

/**
 * How long a thread looks out for more work before it sleeps, in ggml's units of 0 to 100: about 2 ms, which is longer than
 * from one token to the next. ggml's default, 50, would keep cores busy that an image encoder could use.
 */
const poll = 1;

/** Looks the functions up in libggml-base, libggml and libllama. */
export function bindThreads(libraries: { readonly base: LibraryHandle; readonly ggml: LibraryHandle; readonly llama: LibraryHandle }): NativeThreads {
  const f = (name: keyof typeof threadFunctions): ReturnType<LibraryHandle["func"]> => {
    const { library, signature } = threadFunctions[name];
    return libraries[library].func(name, signature[0], [...signature[1]]);
  };
  const deviceByType: (type: number) => Pointer | null = f("ggml_backend_dev_by_type");
  const backendOf: (device: Pointer) => Pointer = f("ggml_backend_dev_backend_reg");
  const addressOfFunction: (backend: Pointer, name: string) => Pointer | null = f("ggml_backend_reg_get_proc_address");
  const initParams: (params: Uint8Array, threads: number) => void = f("ggml_threadpool_params_init");
  const attach: (context: Pointer, pool: Pointer, batchPool: Pointer) => void = f("llama_attach_threadpool");
  let functions: { readonly make: (params: Uint8Array) => Pointer | null; readonly free: (pool: Pointer) => void } | undefined;
  const find = (): typeof functions => {
    const cpu = deviceByType(cpuDeviceType);
    if (cpu === null) return undefined;
    const backend = backendOf(cpu);
    const callable = (name: keyof typeof cpuBackendFunctions): ReturnType<LibraryHandle["func"]> | undefined => {
      const address = addressOfFunction(backend, name);
      const [result, args] = cpuBackendFunctions[name];
      return address === null ? undefined : koffi.decode(address, koffi.proto(result, [...args]));
    };
    const [make, free] = [callable("ggml_threadpool_new"), callable("ggml_threadpool_free")];
    return make && free ? { make, free } : undefined;
  };
  return {
    attachPool(context, threads) {
      functions ??= find();
      if (functions === undefined) return undefined;
      const { make, free } = functions;
      const params = new Uint8Array(new ArrayBuffer(threadPoolParams.bytes));
      const view = new DataView(params.buffer);
      initParams(params, threads);
      if (view.getInt32(threadPoolParams.threads, true) !== threads || view.getUint32(threadPoolParams.poll, true) !== threadPoolParams.expectedPoll) return undefined;
      view.setUint32(threadPoolParams.poll, poll, true);
      const pool = make(params);
      if (pool === null) return undefined;
      attach(context, pool, pool);
      return () => free(pool);
    },
  };
}
