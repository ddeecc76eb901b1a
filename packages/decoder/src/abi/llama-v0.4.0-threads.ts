import type { Signature } from "./llama-v0.4.0.js";

/** `GGML_BACKEND_DEVICE_TYPE_CPU`. */
export const cpuDeviceType = 0;

/** `struct ggml_threadpool_params`, by bytes. */
export const threadPoolParams: { readonly bytes: number; readonly threads: number; readonly poll: number; readonly expectedPoll: number } = {
  bytes: 528,
  threads: 512,
  poll: 520,
  /** What `ggml_threadpool_params_init` writes there: it shows that the layout is this one. */
  expectedPoll: 50,
};

/** Functions around thread pools; those of libggml, libggml-base and libllama. */
export const threadFunctions: Readonly<
  Record<
    "ggml_backend_dev_by_type" | "ggml_backend_dev_backend_reg" | "ggml_backend_reg_get_proc_address" | "ggml_threadpool_params_init" | "llama_attach_threadpool",
    { readonly library: "base" | "ggml" | "llama"; readonly signature: Signature }
  >
> = {
  ggml_backend_dev_by_type: { library: "ggml", signature: ["void *", ["int32_t"]] },
  ggml_backend_dev_backend_reg: { library: "base", signature: ["void *", ["void *"]] },
  ggml_backend_reg_get_proc_address: { library: "base", signature: ["void *", ["void *", "const char *"]] },
  ggml_threadpool_params_init: { library: "base", signature: ["void", ["void *", "int32_t"]] },
  llama_attach_threadpool: { library: "llama", signature: ["void", ["void *", "void *", "void *"]] },
};

/** Functions that only the CPU backend itself knows, found by name when it is loaded. */
export const cpuBackendFunctions: Readonly<Record<"ggml_threadpool_new" | "ggml_threadpool_free", Signature>> = {
  ggml_threadpool_new: ["void *", ["void *"]],
  ggml_threadpool_free: ["void", ["void *"]],
};
