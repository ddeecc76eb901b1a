import { narrowBfloat16, narrowFloat16 } from "./half-floats.js";
import { quantizeQ8 } from "./quantize-q8.js";
import { quoted } from "./quoted.js";
import { byteLengthOf, type TensorDtype } from "./tensor-dtype.js";
import { WeightsError } from "./weights-error.js";

/** A tensor for `writeGguf` or `writeSafetensors`. */
export interface TensorToWrite {
  readonly name: string;
  readonly dtype: TensorDtype;
  /** Row-major, outermost first. */
  readonly shape: readonly number[];
  /** float32 values, converted to `dtype` (F32, F16, BF16, Q8_0); or bytes of that dtype; or a function that gives either. */
  readonly data: Float32Array | Uint8Array | (() => Promise<Float32Array | Uint8Array>);
}

/** Elements that are converted at a time; whole blocks of Q8_0. */
const chunkElements = 2 ** 20;

/** Bytes that a tensor will take. Throws WeightsError for an impossible shape or name. */
export function plannedBytes({ name, dtype, shape }: TensorToWrite): number {
  if (!isWellFormed(name)) throw new WeightsError(`${quoted(name)}: the name is no Unicode text`);
  const bad = shape.find((dim) => !Number.isSafeInteger(dim) || dim < 0);
  if (bad !== undefined) throw new WeightsError(`${quoted(name)}: [${shape.join(", ")}] is no shape: ${bad} is no whole number from 0 to 2^53 - 1`);
  const bytes = byteLengthOf(dtype, shape);
  if (bytes === undefined) throw new WeightsError(`${quoted(name)}: rows of ${shape.at(-1)} elements do not fit the blocks of ${dtype}`);
  if (bytes > BigInt(Number.MAX_SAFE_INTEGER)) throw new WeightsError(`${quoted(name)}: ${dtype} [${shape.join(", ")}] would take ${bytes} bytes`);
  return Number(bytes);
}

/**
 * A tensor's bytes in its dtype, in order. Its data is asked for when the first bytes are.
 * @throws WeightsError when the data does not agree with dtype and shape
 */
export async function* encodedTensor(tensor: TensorToWrite): AsyncGenerator<Uint8Array, void> {
  const data = typeof tensor.data === "function" ? await tensor.data() : tensor.data;
  const { name, dtype, shape } = tensor;
  if (data instanceof Float32Array) {
    const elements = shape.reduce((product, dim) => product * dim, 1);
    if (data.length !== elements) throw new WeightsError(`${quoted(name)}: ${dtype} [${shape.join(", ")}] needs ${elements} values, got ${data.length}`);
    for (let at = 0; at < data.length; at += chunkElements) yield encoded(tensor, data.subarray(at, at + chunkElements));
    return;
  }
  const expected = plannedBytes(tensor);
  if (data.byteLength !== expected) throw new WeightsError(`${quoted(name)}: ${dtype} [${shape.join(", ")}] needs ${expected} bytes, got ${data.byteLength}`);
  yield data;
}

function encoded({ name, dtype }: TensorToWrite, values: Float32Array): Uint8Array {
  const bytesOf = (array: Float32Array | Uint16Array): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  switch (dtype) {
    case "F32":
      return bytesOf(values);
    case "F16":
      return bytesOf(narrowFloat16(values));
    case "BF16":
      return bytesOf(narrowBfloat16(values));
    case "Q8_0": {
      const blocks = quantizeQ8(values);
      if (!blocks) throw new WeightsError(`${quoted(name)}: holds a value that is not finite or beyond ±8319008, which Q8_0 cannot store`);
      return blocks;
    }
    default:
      throw new WeightsError(`${quoted(name)}: float32 values cannot be written as ${dtype}; expected F32, F16, BF16, Q8_0 or ready bytes`);
  }
}

/** Whether every surrogate has its other half, so that text survives UTF-8. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}
