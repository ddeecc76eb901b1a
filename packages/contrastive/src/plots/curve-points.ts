import type { Point } from "./panel.js";

/**
 * A curve with its noise taken out: an average whose weights fall exponentially on both sides, so that it lags nowhere.
 * @param halfLife points after which a value weighs half
 */
export function smoothed(points: readonly Point[], halfLife: number): readonly Point[] {
  const keep = 0.5 ** (1 / halfLife);
  const values = points.map(([, y]) => y);
  const before = fading(values, keep);
  const after = fading(values.toReversed(), keep).reverse();
  // A point's own value is in both.
  return points.map(([x, y], i) => {
    const [a, b] = [before[i] as Fading, after[i] as Fading];
    return [x, (a.sum + b.sum - y) / (a.weight + b.weight - 1)];
  });
}

interface Fading {
  readonly sum: number;
  readonly weight: number;
}

function fading(values: readonly number[], keep: number): Fading[] {
  let [sum, weight] = [0, 0];
  return values.map((value) => {
    sum = keep * sum + value;
    weight = keep * weight + 1;
    return { sum, weight };
  });
}

/** At most about so many points: of each stretch the lowest and the highest, in their order, so that no spike is lost. */
export function thinned(points: readonly Point[], most: number): readonly Point[] {
  if (points.length <= most) return points;
  const length = Math.ceil((points.length * 2) / most);
  const kept: Point[] = [];
  for (let from = 0; from < points.length; from += length) {
    let [low, high] = [from, from];
    for (let i = from; i < Math.min(points.length, from + length); i++) {
      const y = (points[i] as Point)[1];
      if (y < (points[low] as Point)[1]) low = i;
      if (y > (points[high] as Point)[1]) high = i;
    }
    const places = low === high ? [low] : [Math.min(low, high), Math.max(low, high)];
    for (const place of places) kept.push(points[place] as Point);
  }
  const [first, last] = [points[0] as Point, points.at(-1) as Point];
  if (kept[0] !== first) kept.unshift(first);
  if (kept.at(-1) !== last) kept.push(last);
  return kept;
}
