import { GraphError } from "./graph-error.js";
import type { TensorValue } from "./session.js";
import type { Dtype } from "./tensor.js";

/** float16 against float32, as @sightline/weights does it. */
export interface Float16Conversion {
  /** Rounded to nearest, to the bits of float16. */
  readonly narrow: (values: Float32Array) => Uint16Array;
  /** Writes the values of float16 bits into `out`. */
  readonly widen: (bits: Uint16Array, out: Float32Array) => void;
}

const pairs: ReadonlySet<string> = new Set(["float16 float32", "float32 float16", "int32 int64", "int64 int32"]);

/** Whether `convertValue` can turn one type into the other. */
export function conversionExists(from: Dtype, to: Dtype): boolean {
  return from === to || pairs.has(`${from} ${to}`);
}

/**
 * The same values in another type; the value itself where it has that type.
 * @throws GraphError for an integer that int32 cannot hold
 */
export function convertValue(value: TensorValue, to: Dtype, { narrow, widen }: Float16Conversion): TensorValue {
  const { dtype, shape, data } = value;
  if (dtype === to) return value;
  if (to === "float16") return { dtype: to, shape, data: narrow(data as Float32Array) };
  if (to === "int64") return { dtype: to, shape, data: BigInt64Array.from(data as Int32Array, BigInt) };
  if (to === "int32") {
    const beyond = (data as BigInt64Array).find((entry) => BigInt.asIntN(32, entry) !== entry);
    if (beyond !== undefined) throw new GraphError(`Session.run: expected integers that fit int32, which the file takes, got ${beyond}`);
    return { dtype: to, shape, data: Int32Array.from(data as BigInt64Array, Number) };
  }
  const wide = new Float32Array(data.length);
  // Newer versions of Node give a Float16Array, whose bits are the same.
  widen(new Uint16Array(data.buffer as ArrayBuffer, data.byteOffset, data.length), wide);
  return { dtype: to, shape, data: wide };
}

/** A tensor of one value throughout. */
export function filledValue(dtype: Dtype, shape: readonly number[], value: number, { narrow }: Float16Conversion): TensorValue {
  const count = shape.reduce((a, b) => a * b, 1);
  if (dtype === "int64") return { dtype, shape, data: new BigInt64Array(count).fill(BigInt(value)) };
  if (dtype === "int32") return { dtype, shape, data: new Int32Array(count).fill(value) };
  if (dtype === "int8") return { dtype, shape, data: new Int8Array(count).fill(value) };
  const floats = new Float32Array(count).fill(value);
  if (dtype === "float32") return { dtype, shape, data: floats };
  return { dtype, shape, data: dtype === "float16" ? narrow(floats) : Uint8Array.from(floats) };
}
