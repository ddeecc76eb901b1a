import type { Signature } from "./llama-v0.4.0.js";

/** Devices and cache types of the ggml that llama.cpp v0.4.0 is built with (`ggml-backend.h`, `ggml.h`); see llama-v0.4.0.ts. */

/** The functions behind NativeDevices; those of libggml-base and those of libggml. */
export type DeviceFunctionName = "ggml_backend_dev_count" | "ggml_backend_dev_get" | "ggml_backend_dev_memory" | "ggml_backend_dev_name" | "ggml_backend_dev_type";

/** Their signatures, and the library that exports each. */
export const deviceFunctions: Readonly<Record<DeviceFunctionName, { readonly library: "base" | "ggml"; readonly signature: Signature }>> = {
  ggml_backend_dev_count: { library: "ggml", signature: ["size_t", []] },
  ggml_backend_dev_get: { library: "ggml", signature: ["void *", ["size_t"]] },
  ggml_backend_dev_name: { library: "base", signature: ["const char *", ["void *"]] },
  ggml_backend_dev_type: { library: "base", signature: ["int32_t", ["void *"]] },
  ggml_backend_dev_memory: { library: "base", signature: ["void", ["void *", "void *", "void *"]] },
};

/** `ggml_backend_dev_type` values of graphics processors: with memory of their own, and integrated ones. */
export const gpuDeviceTypes: ReadonlySet<number> = new Set([1, 2]);

/** `llama_split_mode`. */
export const splitModes: { readonly none: number; readonly layer: number; readonly row: number } = { none: 0, layer: 1, row: 2 };

/** `llama_max_devices`: how many entries `tensor_split` must have. */
export const maxDevices: Signature = ["size_t", []];

/** `ggml_type` values that a KV cache can have, and the bytes that 32 values take. */
export const cacheTypes: {
  readonly [name in "f32" | "f16" | "bf16" | "q8_0" | "q5_1" | "q5_0" | "q4_1" | "q4_0" | "iq4_nl"]: { readonly id: number; readonly bytesOf32: number; readonly quantised: boolean };
} = {
  f32: { id: 0, bytesOf32: 128, quantised: false },
  f16: { id: 1, bytesOf32: 64, quantised: false },
  bf16: { id: 30, bytesOf32: 64, quantised: false },
  q8_0: { id: 8, bytesOf32: 34, quantised: true },
  q5_1: { id: 7, bytesOf32: 24, quantised: true },
  q5_0: { id: 6, bytesOf32: 22, quantised: true },
  q4_1: { id: 3, bytesOf32: 20, quantised: true },
  q4_0: { id: 2, bytesOf32: 18, quantised: true },
  iq4_nl: { id: 20, bytesOf32: 18, quantised: true },
};
