type Rgb = readonly [red: number, green: number, blue: number];

/** From dark violet over red to light yellow: each is lighter than the one before, so that it reads in grey too. */
const stops: readonly Rgb[] = [
  [12, 8, 58],
  [70, 16, 118],
  [136, 30, 122],
  [196, 56, 96],
  [236, 100, 54],
  [250, 164, 40],
  [250, 230, 120],
  [255, 252, 220],
];

/** The colour of a heat of 0 to 1, between the stops in a straight line; beyond the ends, the ends. sRGB, 0 to 255. */
export function heatColour(heat: number): Rgb {
  const place = Math.min(1, Math.max(0, heat)) * (stops.length - 1);
  const below = Math.min(stops.length - 2, Math.floor(place));
  const share = place - below;
  const [low, high] = [stops[below], stops[below + 1]] as [Rgb, Rgb];
  return [0, 1, 2].map((c) => (low[c] as number) * (1 - share) + (high[c] as number) * share) as unknown as Rgb;
}
