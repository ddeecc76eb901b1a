import type { DecodedImage } from "../decode-image.js";

/** How far each may change; 0 leaves it. */
export interface ColorJitterOptions {
  /** The factor on brightness lies in [1 - x, 1 + x], at least 0; likewise contrast and saturation. */
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
  /** The shift of the hue lies in [-x, x], as a share of the circle; at most 0.5. */
  readonly hue: number;
}

/**
 * Brightness, contrast, saturation and hue changed at random, in random order, as torchvision's ColorJitter does it.
 * @param uniform numbers in [0, 1)
 */
export function colorJitter(image: DecodedImage, { brightness, contrast, saturation, hue }: ColorJitterOptions, uniform: () => number): DecodedImage {
  const factor = (extent: number): number => Math.max(0, 1 - extent) + (1 + extent - Math.max(0, 1 - extent)) * uniform();
  const changes: ((data: Uint8Array) => Uint8Array)[] = [];
  if (brightness > 0) changes.push(withFactor(adjustBrightness, factor(brightness)));
  if (contrast > 0) changes.push(withFactor(adjustContrast, factor(contrast)));
  if (saturation > 0) changes.push(withFactor(adjustSaturation, factor(saturation)));
  if (hue > 0) changes.push(withFactor(shiftHue, hue * (2 * uniform() - 1)));
  for (let i = changes.length - 1; i > 0; i--) {
    const j = Math.floor(uniform() * (i + 1));
    [changes[i], changes[j]] = [changes[j] as (data: Uint8Array) => Uint8Array, changes[i] as (data: Uint8Array) => Uint8Array];
  }
  return { ...image, data: changes.reduce((data, change) => change(data), image.data) };
}

function withFactor(change: (data: Uint8Array, factor: number) => Uint8Array, factor: number): (data: Uint8Array) => Uint8Array {
  return (data) => change(data, factor);
}

/** Each value times a factor (Pillow's ImageEnhance.Brightness: blended with black, cut to a byte). */
export function adjustBrightness(data: Uint8Array, factor: number): Uint8Array {
  return data.map((value) => byte(value * factor));
}

/** Blended with the mean grey of the picture (Pillow's ImageEnhance.Contrast). */
export function adjustContrast(data: Uint8Array, factor: number): Uint8Array {
  let sum = 0;
  for (let i = 0; i < data.length; i += 3) sum += luma(data, i);
  const mean = Math.floor(sum / (data.length / 3) + 0.5);
  return data.map((value) => byte(mean + (value - mean) * factor));
}

/** Blended with the picture's own grey (Pillow's ImageEnhance.Color). */
export function adjustSaturation(data: Uint8Array, factor: number): Uint8Array {
  const out = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += 3) {
    const grey = luma(data, i);
    for (let c = i; c < i + 3; c++) out[c] = byte(grey + ((data[c] as number) - grey) * factor);
  }
  return out;
}

/** The hue moved round its circle of 256 steps, saturation and value kept in bytes, as torchvision does on Pillow's HSV. */
export function shiftHue(data: Uint8Array, share: number): Uint8Array {
  const steps = Math.trunc(share * 255) & 255;
  const out = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += 3) {
    const [r, g, b] = [data[i] as number, data[i + 1] as number, data[i + 2] as number];
    const value = Math.max(r, g, b);
    const spread = value - Math.min(r, g, b);
    if (spread === 0) {
      out.fill(value, i, i + 3);
      continue;
    }
    const saturation = Math.trunc((255 * spread) / value);
    const sector = r === value ? (g - b) / spread : g === value ? 2 + (b - r) / spread : 4 + (r - g) / spread;
    const hue = (Math.trunc(((sector / 6 + 1) % 1) * 255) + steps) & 255;
    writeHsv(out, i, hue, saturation, value);
  }
  return out;
}

/** Pillow's HSV of bytes as RGB. */
function writeHsv(out: Uint8Array, at: number, hue: number, saturation: number, value: number): void {
  const place = (hue * 6) / 255;
  const sector = Math.floor(place);
  const f = place - sector;
  const s = saturation / 255;
  const p = Math.round(value * (1 - s));
  const q = Math.round(value * (1 - s * f));
  const t = Math.round(value * (1 - s * (1 - f)));
  const [r, g, b] = [[value, t, p], [q, value, p], [p, value, t], [p, q, value], [t, p, value], [value, p, q]][sector % 6] as [number, number, number];
  out[at] = r;
  out[at + 1] = g;
  out[at + 2] = b;
}

/** Pillow's grey of a pixel: ITU-R 601 in 16-bit fixed point, rounded. */
function luma(data: Uint8Array, at: number): number {
  return (19595 * (data[at] as number) + 38470 * (data[at + 1] as number) + 7471 * (data[at + 2] as number) + 0x8000) >> 16;
}

function byte(value: number): number {
  return value <= 0 ? 0 : value >= 255 ? 255 : Math.trunc(value);
}
