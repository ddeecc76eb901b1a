import type { LinearStatistics } from "./linear-statistics.js";

/** How one linear layer is quantised. */
export interface Int8Layer {
  /** Input channels that stay in float32, ascending. */
  readonly outliers: readonly number[];
  /** Expected power of the rounding noise of a channel, as a share of an ordinary channel's. */
  readonly noise: number;
}

/** A layer of a few rows (a pooling head) gains nothing from int8. */
const fewestRows = 16;
/** Noise that a layer may add: 1e-3 of the power is 3% of the amplitude. Normal inputs, which reach ±4 sigma, add 1e-4. */
const noiseWanted = 4e-4;
const noiseAllowed = 2e-3;
/** Beyond this share of its channels as outliers, a layer costs as much as in float32. */
const mostOutliers = 1 / 16;

/**
 * Decides from what went through its inputs whether a layer can run in int8: as many of its largest channels as needed
 * are set aside, so that the rest share a range that leaves them enough steps.
 * @returns undefined for a layer that stays in float32
 */
export function planInt8Layer({ least, greatest, meanSquare, rows }: LinearStatistics): Int8Layer | undefined {
  if (rows < fewestRows) return undefined;
  const channels = least.length;
  const reach = least.map((value, i) => Math.max(-value, greatest[i] as number));
  const bySize = [...reach.keys()].sort((a, b) => (reach[b] as number) - (reach[a] as number));
  const limit = Math.max(1, Math.floor(channels * mostOutliers));

  // Against the power of ordinary channels only: outliers have much of it, and often small weights.
  const ordinary = bySize.slice(limit);
  const power = ordinary.reduce((sum, channel) => sum + (meanSquare[channel] as number), 0) / ordinary.length;
  // From the smallest channel up, so that each step knows the range of all that are smaller.
  const noiseWithout = new Float64Array(limit + 1);
  let low = 0;
  let high = 0;
  for (let i = channels - 1; i >= 0; i--) {
    const channel = bySize[i] as number;
    low = Math.min(low, least[channel] as number);
    high = Math.max(high, greatest[channel] as number);
    if (i <= limit) noiseWithout[i] = high === low ? 0 : ((high - low) / 255) ** 2 / (12 * power);
  }
  let count = noiseWithout.findIndex((noise) => noise <= noiseWanted);
  if (count < 0) count = noiseWithout.reduce((best, noise, i) => (noise < (noiseWithout[best] as number) ? i : best), 0);
  const noise = noiseWithout[count] as number;
  if (noise > noiseAllowed) return undefined;
  return { outliers: bySize.slice(0, count).sort((a, b) => a - b), noise };
}

/** The plan of a whole graph: its layers that run in int8, by the name of their weight. */
export function planInt8(statistics: ReadonlyMap<string, LinearStatistics>): Map<string, Int8Layer> {
  const plan = new Map<string, Int8Layer>();
  for (const [name, seen] of statistics) {
    const layer = planInt8Layer(seen);
    if (layer) plan.set(name, layer);
  }
  return plan;
}
