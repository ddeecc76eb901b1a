import { dotKernelBase64 } from "./dot-kernel-bytes.js";
import { bufferOf, compileModule, instantiateOn, type SharedMemory } from "./shared-memory.js";

/**
 * Dot products of int16 rows with one int16 query, exact in int32 as long as the product of any row's length and the
 * query's is below 2^31. Addresses are bytes in one memory.
 * @param rows int16[count, stride / 2]
 * @param stride bytes of a row, a multiple of 16
 * @param query int16[stride / 2]
 * @param out int32[count]
 */
export type DotRows = (rows: number, count: number, stride: number, query: number, out: number) => void;

let compiled: object | null | undefined;

function kernelModule(): object | null {
  compiled ??= compileModule(Buffer.from(dotKernelBase64, "base64"));
  return compiled;
}

/** Whether this engine runs the WebAssembly kernel. */
export function hasDotKernel(): boolean {
  return kernelModule() !== null;
}

/** The kernel on a memory, or plain TypeScript where there is no WebAssembly SIMD. */
export function dotRowsOn(memory: SharedMemory): DotRows {
  const module = kernelModule();
  const exports = module === null ? null : (instantiateOn(memory, module) as { readonly dotRows: DotRows } | null);
  return exports === null ? plainDotRows(bufferOf(memory)) : exports.dotRows;
}

/** The same in plain TypeScript: the kernel's reference, and what runs without it. */
export function plainDotRows(buffer: SharedArrayBuffer): DotRows {
  const [values, sums] = [new Int16Array(buffer), new Int32Array(buffer)];
  return (rows, count, stride, query, out) => {
    const width = stride / 2;
    const [first, from, to] = [rows / 2, query / 2, out / 4];
    for (let row = 0; row < count; row++) {
      const start = first + row * width;
      let sum = 0;
      for (let d = 0; d < width; d++) sum += values[start + d]! * values[from + d]!;
      sums[to + row] = sum;
    }
  };
}
