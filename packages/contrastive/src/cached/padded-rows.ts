import type { TensorValue } from "@sightline/graph";
import { TrainingError } from "../training-error.js";

/** A value with copies of its last row, up to `count` rows, where a graph wants that many. */
export function paddedRows({ dtype, shape, data }: TensorValue, count: number): TensorValue {
  const rows = shape[0] ?? 0;
  if (rows === 0) throw new TrainingError("paddedRows: expected at least one row, got none");
  if (rows >= count) return { dtype, shape, data };
  const width = data.length / rows;
  const filled = new (data.constructor as new (length: number) => Float32Array)(count * width);
  filled.set(data as Float32Array);
  for (let row = rows; row < count; row++) filled.copyWithin(row * width, (rows - 1) * width, rows * width);
  return { dtype, shape: [count, ...shape.slice(1)], data: filled };
}
