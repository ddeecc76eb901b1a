import type { FileHandle } from "node:fs/promises";
import { dequantizers } from "./dequantize.js";
import { readAt } from "./file-bytes.js";
import { widenBfloat16, widenFloat16 } from "./half-floats.js";
import { quoted } from "./quoted.js";
import { dtypeLayouts } from "./tensor-dtype.js";
import type { TensorInfo } from "./weight-source.js";
import { WeightsError } from "./weights-error.js";

/** Widening reads this much of the file at a time, so that the stored form never lies in memory as a whole. */
const chunkBytes = 4 * 2 ** 20;

/** Reads a tensor's bytes as they are stored. */
export async function readTensorBytes(file: FileHandle, info: TensorInfo): Promise<Uint8Array> {
  const bytes = allocated(info, info.byteLength, () => new Uint8Array(info.byteLength));
  await readAt(file, named(info), bytes, info.byteOffset);
  return bytes;
}

/**
 * Reads a tensor as `float32`, row-major. At most 4 MiB of its stored form are in memory beside the result.
 * @throws WeightsError for a type that is not read as float32, a file that has become shorter, or too little memory
 */
export async function readTensorFloat32(file: FileHandle, info: TensorInfo): Promise<Float32Array> {
  const { blockBytes, blockElements } = dtypeLayouts[info.dtype];
  const widen = info.dtype === "F32" ? undefined : widener(info);
  const elements = (info.byteLength / blockBytes) * blockElements;
  const out = allocated(info, elements * 4, () => new Float32Array(elements));
  if (!widen) {
    await readAt(file, named(info), new Uint8Array(out.buffer), info.byteOffset);
    return out;
  }
  const step = Math.max(1, Math.floor(chunkBytes / blockBytes)) * blockBytes;
  const chunk = new Uint8Array(Math.min(step, info.byteLength));
  for (let at = 0; at < info.byteLength; at += step) {
    const part = chunk.subarray(0, Math.min(step, info.byteLength - at));
    await readAt(file, named(info), part, info.byteOffset + at);
    widen(part, out, (at / blockBytes) * blockElements);
  }
  return out;
}

/** Reads some rows of a matrix as `float32[rows.length, C]`. */
export async function readTensorRows(file: FileHandle, info: TensorInfo, rows: ArrayLike<number>): Promise<Float32Array> {
  const [count, columns] = info.shape;
  if (info.shape.length !== 2 || count === undefined || columns === undefined) throw new WeightsError(`${named(info)}: expected a matrix to read rows of, got [${info.shape.join(", ")}]`);
  const out = new Float32Array(rows.length * columns);
  const byteLength = info.byteLength / count;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as number;
    if (!Number.isInteger(row) || row < 0 || row >= count) throw new WeightsError(`${named(info)}: expected a row from 0 to ${count - 1}, got ${row}`);
    out.set(await readTensorFloat32(file, { ...info, shape: [1, columns], byteOffset: info.byteOffset + row * byteLength, byteLength }), i * columns);
  }
  return out;
}

type Widener = (bytes: Uint8Array, out: Float32Array, offset: number) => void;

function widener(info: TensorInfo): Widener {
  const convert =
    <Values extends ArrayLike<number>>(make: (buffer: ArrayBufferLike, offset: number, length: number) => Values, size: number): Widener =>
    (bytes, out, offset) =>
      out.set(make(bytes.buffer, bytes.byteOffset, bytes.length / size), offset);
  switch (info.dtype) {
    case "F16":
      return (bytes, out, offset) => widenFloat16(new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2), out, offset);
    case "BF16":
      return (bytes, out, offset) => widenBfloat16(new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2), out, offset);
    case "F64":
      return convert((buffer, offset, length) => new Float64Array(buffer, offset, length), 8);
    case "I32":
      return convert((buffer, offset, length) => new Int32Array(buffer, offset, length), 4);
    case "I16":
      return convert((buffer, offset, length) => new Int16Array(buffer, offset, length), 2);
    case "I8":
      return convert((buffer, offset, length) => new Int8Array(buffer, offset, length), 1);
    case "U8":
    case "BOOL":
      return convert((buffer, offset, length) => new Uint8Array(buffer, offset, length), 1);
    case "Q4_0":
    case "Q5_0":
    case "Q8_0":
    case "Q4_K":
    case "Q5_K":
    case "Q6_K":
      return dequantizers[info.dtype];
    default:
      throw new WeightsError(`readFloat32: ${named(info)} is ${info.dtype}, which is not read as float32; use readBytes`);
  }
}

function named(info: TensorInfo): string {
  return `${info.file}: ${quoted(info.name)}`;
}

/** Memory for a tensor, or a WeightsError that says how much there was no room for. */
function allocated<T>(info: TensorInfo, bytes: number, allocate: () => T): T {
  try {
    return allocate();
  } catch (cause) {
    throw new WeightsError(`${named(info)} needs ${bytes} bytes of memory, which cannot be had`, { cause });
  }
}
