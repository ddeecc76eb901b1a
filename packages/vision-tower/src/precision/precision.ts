/**
 * How a vision tower computes. `float32` is exact. `int8` runs its linear layers in 8 bits on the CPU, all of them that
 * can without leaving the bounds of `agreementWanted`. `float16` is for GPUs. `auto` takes the fastest of these that
 * holds the same bounds on this machine.
 */
export type Precision = "float32" | "float16" | "int8" | "auto";

const precisions: readonly string[] = ["float32", "float16", "int8", "auto"] satisfies Precision[];

/** Throws RangeError for anything but a `Precision`. */
export function checkPrecision(precision: Precision): void {
  if (!precisions.includes(precision)) {
    throw new RangeError(`checkPrecision: expected precision to be one of ${precisions.map((name) => `"${name}"`).join(", ")}, got ${JSON.stringify(precision)}`);
  }
}

/** What a precision came to on a tower. */
export interface PrecisionReport {
  readonly precision: Exclude<Precision, "auto">;
  /** Linear layers that run in int8, of how many; the others, and all else, run in float32. */
  readonly int8Layers: number;
  readonly linearLayers: number;
  /** Against float32 on the calibration images: the least cosine of a pooled embedding; 1 in float32. */
  readonly cosinePooled: number;
  /** The least cosine of a patch token. */
  readonly cosinePatch: number;
}

/** What float32 comes to. */
export const exactReport: PrecisionReport = { precision: "float32", int8Layers: 0, linearLayers: 0, cosinePooled: 1, cosinePatch: 1 };

/** The least cosines with float32 that a precision may come to. */
export const agreementWanted = { pooled: 0.996, patch: 0.99 } as const;
