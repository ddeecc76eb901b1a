const wantedTicks = 5;

/**
 * Round numbers that cover a range: multiples of 1, 2 or 5 times a power of ten; powers of ten (or of two, where those
 * are too few) on a logarithmic axis.
 */
export function axisTicks(low: number, high: number, log: boolean): readonly number[] {
  if (log) {
    for (const base of [10, 2]) {
      const [from, to] = [Math.floor(Math.log(low) / Math.log(base) + 1e-9), Math.ceil(Math.log(high) / Math.log(base) - 1e-9)];
      const step = Math.max(1, Math.ceil((to - from) / 8));
      if (to - from >= 3 || base === 2) return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => base ** (from + i * step));
    }
  }
  const rough = (high - low) / wantedTicks;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10);
  const from = Math.floor(low / step + 1e-9);
  const to = Math.ceil(high / step - 1e-9);
  return Array.from({ length: to - from + 1 }, (_, i) => Number(((from + i) * step).toPrecision(12)));
}

/** A tick as people read it: 0.25, 1,000, 5e-6. */
export function tickText(value: number): string {
  const size = Math.abs(value);
  if (value !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential().replace("e+", "e");
  return value.toLocaleString("en-US", { maximumFractionDigits: 4 });
}
