import type { MetadataValue, TensorInfo } from "@sightline/weights";
import type { StoredWeights } from "./model-description.js";

/** No dimension of a model is larger; what is cannot be meant. */
const largest = 2 ** 31;

/** A whole number from 1 on that can be a dimension, else undefined: metadata is not believed. */
export function dimension(value: MetadataValue | undefined): number | undefined {
  const number = typeof value === "bigint" ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number >= 1 && number <= largest ? number : undefined;
}

/** The same, where 0 is a number too. */
export function amount(value: MetadataValue | undefined): number | undefined {
  return value === 0 || value === 0n ? 0 : dimension(value);
}

/** One amount for each block: a number counts for all of them. Undefined where something else stands there. */
export function perBlock(value: MetadataValue | undefined, blocks: number): readonly number[] | undefined {
  if (!Array.isArray(value)) {
    const all = amount(value);
    return all === undefined ? undefined : new Array<number>(blocks).fill(all);
  }
  if (value.length < blocks) return undefined;
  const amounts = (value as readonly MetadataValue[]).slice(0, blocks).map(amount);
  return amounts.every((entry) => entry !== undefined) ? amounts : undefined;
}

/** Elements of a tensor. */
export function elements({ shape }: Pick<TensorInfo, "shape">): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** Tensors summed up by how they are stored, the most bytes first. */
export function storedWeights(tensors: Iterable<TensorInfo>): StoredWeights[] {
  const sums = new Map<StoredWeights["dtype"], { parameters: number; bytes: number }>();
  for (const tensor of tensors) {
    const { dtype, byteLength } = tensor;
    const sum = sums.get(dtype) ?? { parameters: 0, bytes: 0 };
    sums.set(dtype, { parameters: sum.parameters + elements(tensor), bytes: sum.bytes + byteLength });
  }
  return [...sums].map(([dtype, sum]) => ({ dtype, ...sum })).toSorted((a, b) => b.bytes - a.bytes);
}
