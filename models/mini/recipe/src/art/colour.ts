/** The colour words that captions and questions use. */
export const colourNames = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray"] as const;

/** One of `colourNames`. */
export type ColourName = (typeof colourNames)[number];

/** Red, green, blue, each 0 to 255. */
export type Rgb = readonly [number, number, number];

/**
 * The word that people most likely use for a colour; `undefined` near a border between two words. Hue borders in HSV
 * degrees, chosen by looking at the art sets' own reds, oranges and browns.
 */
export function colourName(r: number, g: number, b: number): ColourName | undefined {
  const max = Math.max(r, g, b);
  const min = Math.min(r, g, b);
  const value = max / 255;
  const saturation = max === 0 ? 0 : (max - min) / max;
  if (value < 0.2) return "black";
  if (saturation < 0.14) return value > 0.88 ? "white" : value > 0.84 ? undefined : value > 0.34 ? "gray" : value < 0.28 ? "black" : undefined;
  // A dark or bluish gray, such as the metal of the drawings, is gray to the eye.
  if (saturation < 0.3 && value < 0.8) return value < 0.3 ? "black" : "gray";
  if (saturation < 0.22) return value > 0.95 ? "white" : undefined;
  const hue = hueOf(r, g, b, max, min);
  if (hue < 12 || hue >= 345) {
    if (saturation < 0.55 && value > 0.85) return "pink";
    return value < 0.45 || (value < 0.72 && saturation < 0.72) ? "brown" : "red";
  }
  if (hue < 42) {
    if (value < 0.72) return "brown";
    if (saturation < 0.5) return undefined;
    return hue < 16 ? undefined : hue < 39 ? "orange" : undefined;
  }
  if (hue < 66) return value < 0.6 ? undefined : hue < 44 ? undefined : "yellow";
  if (hue < 165) return hue < 74 ? undefined : "green";
  if (hue < 178) return undefined;
  if (hue < 252) return hue > 245 ? undefined : "blue";
  if (hue < 295) return "purple";
  if (hue < 310) return undefined;
  return value < 0.55 ? "purple" : "pink";
}

function hueOf(r: number, g: number, b: number, max: number, min: number): number {
  const spread = max - min;
  if (spread === 0) return 0;
  const sector = max === r ? (g - b) / spread : max === g ? 2 + (b - r) / spread : 4 + (r - g) / spread;
  return (sector * 60 + 360) % 360;
}
