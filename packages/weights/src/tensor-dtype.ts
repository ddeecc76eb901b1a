/** How elements are stored: the types of safetensors and the GGUF block types that are read. */
export type TensorDtype =
  | "F64"
  | "F32"
  | "F16"
  | "BF16"
  | "I64"
  | "I32"
  | "I16"
  | "I8"
  | "U8"
  | "BOOL"
  | "Q4_0"
  | "Q5_0"
  | "Q8_0"
  | "Q4_K"
  | "Q5_K"
  | "Q6_K";

export interface DtypeLayout {
  /** Elements that are stored together; a row is a whole number of blocks. */
  readonly blockElements: number;
  readonly blockBytes: number;
  /** The type's number in GGUF (ggml.h, `enum ggml_type`), where it has one. */
  readonly ggmlType?: number;
}

export const dtypeLayouts: Readonly<Record<TensorDtype, DtypeLayout>> = {
  F64: { blockElements: 1, blockBytes: 8, ggmlType: 28 },
  F32: { blockElements: 1, blockBytes: 4, ggmlType: 0 },
  F16: { blockElements: 1, blockBytes: 2, ggmlType: 1 },
  BF16: { blockElements: 1, blockBytes: 2, ggmlType: 30 },
  I64: { blockElements: 1, blockBytes: 8, ggmlType: 27 },
  I32: { blockElements: 1, blockBytes: 4, ggmlType: 26 },
  I16: { blockElements: 1, blockBytes: 2, ggmlType: 25 },
  I8: { blockElements: 1, blockBytes: 1, ggmlType: 24 },
  U8: { blockElements: 1, blockBytes: 1 },
  BOOL: { blockElements: 1, blockBytes: 1 },
  Q4_0: { blockElements: 32, blockBytes: 18, ggmlType: 2 },
  Q5_0: { blockElements: 32, blockBytes: 22, ggmlType: 6 },
  Q8_0: { blockElements: 32, blockBytes: 34, ggmlType: 8 },
  Q4_K: { blockElements: 256, blockBytes: 144, ggmlType: 12 },
  Q5_K: { blockElements: 256, blockBytes: 176, ggmlType: 13 },
  Q6_K: { blockElements: 256, blockBytes: 210, ggmlType: 14 },
};

/** GGUF's type number to its name here. */
export const dtypeOfGgmlType: ReadonlyMap<number, TensorDtype> = new Map(
  Object.entries(dtypeLayouts).flatMap(([dtype, { ggmlType }]) => (ggmlType === undefined ? [] : [[ggmlType, dtype as TensorDtype]])),
);

/** Bytes of a tensor, or undefined when its rows are no whole number of blocks. In BigInt: a shape is not believed yet. */
export function byteLengthOf(dtype: TensorDtype, shape: readonly (number | bigint)[]): bigint | undefined {
  const { blockElements, blockBytes } = dtypeLayouts[dtype];
  const row = BigInt(shape.at(-1) ?? 1);
  if (row % BigInt(blockElements) !== 0n) return undefined;
  return (shape.reduce<bigint>((product, dim) => product * BigInt(dim), 1n) / BigInt(blockElements)) * BigInt(blockBytes);
}
