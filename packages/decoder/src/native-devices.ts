import type { LibraryHandle } from "koffi";
import { deviceFunctions, gpuDeviceTypes, maxDevices, type DeviceFunctionName } from "./abi/llama-v0.4.0-devices.js";
import type { Pointer } from "./native-bindings.js";

/** A graphics processor that ggml can compute on. */
export interface GpuDevice {
  readonly name: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** What ggml knows of the machine's devices. */
export interface NativeDevices {
  /** The graphics processors, in ggml's order; none with a build for CPUs. */
  readonly gpus: () => GpuDevice[];
  /** How many entries a tensor split has. */
  readonly maxDevices: () => number;
}

/** Looks the functions up in libggml-base, libggml and libllama. */
export function bindDevices(libraries: { readonly base: LibraryHandle; readonly ggml: LibraryHandle; readonly llama: LibraryHandle }): NativeDevices {
  const f = (name: DeviceFunctionName): ReturnType<LibraryHandle["func"]> => {
    const { library, signature } = deviceFunctions[name];
    return libraries[library].func(name, signature[0], [...signature[1]]);
  };
  const count: () => number | bigint = f("ggml_backend_dev_count");
  const get: (index: number) => Pointer = f("ggml_backend_dev_get");
  const name: (device: Pointer) => string = f("ggml_backend_dev_name");
  const type: (device: Pointer) => number = f("ggml_backend_dev_type");
  const memory: (device: Pointer, free: BigUint64Array, total: BigUint64Array) => void = f("ggml_backend_dev_memory");
  const most: () => number | bigint = libraries.llama.func("llama_max_devices", maxDevices[0], [...maxDevices[1]]);
  const one = (): BigUint64Array => new BigUint64Array(new ArrayBuffer(8));
  return {
    maxDevices: () => Number(most()),
    gpus: () =>
      Array.from({ length: Number(count()) }, (_, index) => get(index))
        .filter((device) => gpuDeviceTypes.has(type(device)))
        .map((device) => {
          const [free, total] = [one(), one()];
          memory(device, free, total);
          return { name: name(device), freeBytes: Number(free[0]), totalBytes: Number(total[0]) };
        }),
  };
}
