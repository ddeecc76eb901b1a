import { quoted } from "./quoted.js";
import { isWellFormed } from "./tensor-to-write.js";
import { WeightsError } from "./weights-error.js";

/** GGUF's metadata types, by number (ggml's docs/gguf.md). */
export const ggufTypes = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "bool", "string", "array", "uint64", "int64", "float64"] as const;
export type GgufType = (typeof ggufTypes)[number];

/** A metadata value with the type that it is stored as. */
export type GgufValue =
  | { readonly type: "uint8" | "int8" | "uint16" | "int16" | "uint32" | "int32" | "float32" | "float64"; readonly value: number }
  | { readonly type: "uint64" | "int64"; readonly value: bigint | number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "array"; readonly of: Exclude<GgufType, "array">; readonly value: readonly (number | bigint | boolean | string)[] };

const integerBits: Readonly<Partial<Record<GgufType, number>>> = { uint8: 8, int8: 8, uint16: 16, int16: 16, uint32: 32, int32: 32, uint64: 64, int64: 64 };

/**
 * Checks that a value fits its type; a DataView would wrap it round without a word.
 * @param key named in errors
 * @throws WeightsError naming the key, the type and the value
 */
export function checkGgufScalar(type: Exclude<GgufType, "array">, value: unknown, key: string): void {
  if (!fits(type, value)) throw new WeightsError(`${quoted(key)}: expected a ${type}, got ${typeof value === "string" ? quoted(value) : String(value)}`);
}

function fits(type: Exclude<GgufType, "array">, value: unknown): boolean {
  switch (type) {
    case "bool":
      return typeof value === "boolean";
    case "string":
      return typeof value === "string" && isWellFormed(value);
    case "float32":
    case "float64":
      return typeof value === "number";
    default: {
      const isWhole = typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value));
      const bits = integerBits[type] as number;
      return isWhole && (type.startsWith("u") ? BigInt.asUintN(bits, BigInt(value)) : BigInt.asIntN(bits, BigInt(value))) === BigInt(value);
    }
  }
}
