import { narrowBfloat16, narrowFloat16, toFloat16 } from "./half-floats.js";
import { byteLengthOf, type TensorDtype } from "./tensor-dtype.js";
import { WeightsError } from "./weights-error.js";

export interface TensorToWrite {
  readonly name: string;
  readonly dtype: TensorDtype;
  /** Row-major, outermost first. */
  readonly shape: readonly number[];
  /** float32 values, converted to `dtype` (F32, F16, BF16, Q8_0); or bytes of that dtype; or a function that gives either. */
  readonly data: Float32Array | Uint8Array | (() => Promise<Float32Array | Uint8Array>);
}

/** Bytes that a tensor will take. Throws WeightsError when its rows are no whole number of blocks. */
export function plannedBytes({ name, dtype, shape }: TensorToWrite): number {
  const bytes = byteLengthOf(dtype, shape);
  if (bytes === undefined) throw new WeightsError(`"${name}": rows of ${shape.at(-1)} elements do not fit the blocks of ${dtype}`);
  return Number(bytes);
}

/** A tensor's bytes in its dtype. Throws WeightsError when the data does not agree with dtype and shape. */
export async function encodeTensor(tensor: TensorToWrite): Promise<Uint8Array> {
  const data = typeof tensor.data === "function" ? await tensor.data() : tensor.data;
  const bytes = data instanceof Float32Array ? encodeFloats(tensor, data) : data;
  const expected = plannedBytes(tensor);
  if (bytes.byteLength !== expected) {
    throw new WeightsError(`"${tensor.name}": ${tensor.dtype} [${tensor.shape.join(", ")}] needs ${expected} bytes, got ${bytes.byteLength}`);
  }
  return bytes;
}

function encodeFloats({ name, dtype }: TensorToWrite, values: Float32Array): Uint8Array {
  const bytesOf = (array: Float32Array | Uint16Array): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  switch (dtype) {
    case "F32":
      return bytesOf(values);
    case "F16":
      return bytesOf(narrowFloat16(values));
    case "BF16":
      return bytesOf(narrowBfloat16(values));
    case "Q8_0":
      return quantizeQ8(values);
    default:
      throw new WeightsError(`"${name}": float32 values cannot be written as ${dtype}; expected F32, F16, BF16, Q8_0 or ready bytes`);
  }
}

/** ggml's Q8_0: blocks of 32, a half-precision scale d = max|x| / 127, then round(x / d) as int8. */
function quantizeQ8(values: Float32Array): Uint8Array {
  const blocks = values.length / 32;
  const bytes = new Uint8Array(blocks * 34);
  const view = new DataView(bytes.buffer);
  for (let b = 0; b < blocks; b++) {
    let largest = 0;
    for (let i = 0; i < 32; i++) largest = Math.max(largest, Math.abs(values[b * 32 + i] as number));
    const scale = largest / 127;
    const inverse = scale === 0 ? 0 : 1 / Math.fround(scale);
    view.setUint16(b * 34, toFloat16(scale), true);
    for (let i = 0; i < 32; i++) {
      const q = Math.fround((values[b * 32 + i] as number) * inverse);
      view.setInt8(b * 34 + 2 + i, Math.sign(q) * Math.floor(Math.abs(q) + 0.5));
    }
  }
  return bytes;
}

