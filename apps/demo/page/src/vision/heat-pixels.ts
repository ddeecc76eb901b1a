export interface Grid {
  readonly rows: number;
  readonly columns: number;
  /** A value for each patch, row by row. */
  readonly values: readonly number[];
}

type Rgb = readonly [red: number, green: number, blue: number];

/** From cold to hot, each lighter than the one before, so that it reads in grey too. */
const colours: readonly Rgb[] = [
  [30, 16, 70],
  [122, 28, 109],
  [207, 68, 70],
  [248, 143, 40],
  [252, 230, 140],
];

/** How much of the picture the hottest place covers. */
const strongest = 0.82;

/**
 * A grid of patches as an overlay: uint8[height, width, 4], RGBA. Least to greatest value is cold to hot; the cold is
 * clear, so the picture shows where nothing was found. Between patches values are smooth (cubic B-spline).
 */
export function heatPixels(grid: Grid, width: number, height: number): Uint8ClampedArray<ArrayBuffer> {
  const [low, high] = [Math.min(...grid.values), Math.max(...grid.values)];
  const pixels = new Uint8ClampedArray(width * height * 4);
  if (!(high > low)) return pixels;
  const across = weights(grid.columns, width);
  const down = weights(grid.rows, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let value = 0;
      for (const [row, share] of down[y] ?? []) for (const [column, part] of across[x] ?? []) value += share * part * (grid.values[row * grid.columns + column] ?? 0);
      const heat = Math.min(1, Math.max(0, (value - low) / (high - low)));
      const at = (y * width + x) * 4;
      pixels.set(colourOf(heat), at);
      pixels[at + 3] = 255 * strongest * smooth(heat);
    }
  }
  return pixels;
}

/** For each of `size` places, the patches of `count` that it lies among, and their shares, which add up to 1. */
function weights(count: number, size: number): readonly (readonly (readonly [patch: number, share: number])[])[] {
  return Array.from({ length: size }, (_, place) => {
    const centre = ((place + 0.5) / size) * count - 0.5;
    const first = Math.floor(centre) - 1;
    return [0, 1, 2, 3].map((step) => [Math.min(count - 1, Math.max(0, first + step)), cubic(Math.abs(centre - first - step))] as const);
  });
}

/** The cubic B-spline at a distance in patches. */
function cubic(distance: number): number {
  if (distance < 1) return (4 - 6 * distance ** 2 + 3 * distance ** 3) / 6;
  return distance < 2 ? (2 - distance) ** 3 / 6 : 0;
}

const smooth = (heat: number): number => heat * heat * (3 - 2 * heat);

function colourOf(heat: number): Rgb {
  const place = heat * (colours.length - 1);
  const below = Math.min(colours.length - 2, Math.floor(place));
  const [low, high] = [colours[below] as Rgb, colours[below + 1] as Rgb];
  const mix = (channel: 0 | 1 | 2): number => low[channel] + (high[channel] - low[channel]) * (place - below);
  return [mix(0), mix(1), mix(2)];
}
