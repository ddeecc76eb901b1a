/** How elements are stored: the types of safetensors and of GGUF. */
export type TensorDtype = FloatReadableDtype | StoredOnlyDtype;

/** Types that can be read as float32. */
export type FloatReadableDtype = "F64" | "F32" | "F16" | "BF16" | "I32" | "I16" | "I8" | "U8" | "BOOL" | "Q4_0" | "Q5_0" | "Q8_0" | "Q4_K" | "Q5_K" | "Q6_K";

/** Types whose sizes are known, so that files holding them open; their bytes are read and written as they are. */
export type StoredOnlyDtype =
  | "I64"
  | "U16"
  | "U32"
  | "U64"
  | "F8_E4M3"
  | "F8_E5M2"
  | "Q4_1"
  | "Q5_1"
  | "Q8_1"
  | "Q2_K"
  | "Q3_K"
  | "Q8_K"
  | "IQ1_S"
  | "IQ1_M"
  | "IQ2_XXS"
  | "IQ2_XS"
  | "IQ2_S"
  | "IQ3_XXS"
  | "IQ3_S"
  | "IQ4_NL"
  | "IQ4_XS"
  | "TQ1_0"
  | "TQ2_0"
  | "MXFP4";

export interface DtypeLayout {
  /** Elements that are stored together; a row is a whole number of blocks. */
  readonly blockElements: number;
  readonly blockBytes: number;
  /** The type's number in GGUF (ggml.h, `enum ggml_type`), where it has one. */
  readonly ggmlType?: number;
  /** Whether safetensors knows the type, by the same name. */
  readonly inSafetensors?: true;
}

const element = (blockBytes: number, ggmlType?: number): DtypeLayout =>
  ggmlType === undefined ? { blockElements: 1, blockBytes, inSafetensors: true } : { blockElements: 1, blockBytes, inSafetensors: true, ggmlType };
const block = (blockElements: number, blockBytes: number, ggmlType: number): DtypeLayout => ({ blockElements, blockBytes, ggmlType });

/** Sizes as in gguf-py's GGML_QUANT_SIZES, with which a test compares them. */
export const dtypeLayouts: Readonly<Record<TensorDtype, DtypeLayout>> = {
  F64: element(8, 28),
  F32: element(4, 0),
  F16: element(2, 1),
  BF16: element(2, 30),
  I64: element(8, 27),
  I32: element(4, 26),
  I16: element(2, 25),
  I8: element(1, 24),
  U64: element(8),
  U32: element(4),
  U16: element(2),
  U8: element(1),
  BOOL: element(1),
  F8_E4M3: element(1),
  F8_E5M2: element(1),
  Q4_0: block(32, 18, 2),
  Q4_1: block(32, 20, 3),
  Q5_0: block(32, 22, 6),
  Q5_1: block(32, 24, 7),
  Q8_0: block(32, 34, 8),
  Q8_1: block(32, 40, 9),
  Q2_K: block(256, 84, 10),
  Q3_K: block(256, 110, 11),
  Q4_K: block(256, 144, 12),
  Q5_K: block(256, 176, 13),
  Q6_K: block(256, 210, 14),
  Q8_K: block(256, 292, 15),
  IQ2_XXS: block(256, 66, 16),
  IQ2_XS: block(256, 74, 17),
  IQ3_XXS: block(256, 98, 18),
  IQ1_S: block(256, 50, 19),
  IQ4_NL: block(32, 18, 20),
  IQ3_S: block(256, 110, 21),
  IQ2_S: block(256, 82, 22),
  IQ4_XS: block(256, 136, 23),
  IQ1_M: block(256, 56, 29),
  TQ1_0: block(256, 54, 34),
  TQ2_0: block(256, 66, 35),
  MXFP4: block(32, 17, 39),
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
