/** Pillow's names for its antialiasing filters. */
export type ResampleFilter = "bilinear" | "bicubic" | "lanczos";

/** A filter as a function of the distance from the centre, zero beyond `support`. Not normalised. */
export interface FilterKernel {
  readonly support: number;
  weight(distance: number): number;
}

/** Triangle of half-width 1. */
const bilinear: FilterKernel = {
  support: 1,
  weight(distance) {
    const x = Math.abs(distance);
    return x < 1 ? 1 - x : 0;
  },
};

/** Keys 1981, "Cubic convolution interpolation for digital image processing", with a = -0.5; in Horner's form. */
const bicubic: FilterKernel = {
  support: 2,
  weight(distance) {
    const a = -0.5;
    const x = Math.abs(distance);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
  },
};

function sinc(x: number): number {
  if (x === 0) return 1;
  const angle = x * Math.PI;
  return Math.sin(angle) / angle;
}

/** Sinc windowed by a sinc three times as wide (Duchon 1979). */
const lanczos: FilterKernel = {
  support: 3,
  weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0),
};

export const filterKernels: Readonly<Record<ResampleFilter, FilterKernel>> = { bilinear, bicubic, lanczos };
