/** The formats that are decoded. Everything else is refused before a decoder sees it. */
export type ImageFormat = "jpeg" | "png" | "webp" | "gif" | "tiff" | "avif";

/** For messages: the formats as people write them. */
export const supportedFormats = "JPEG, PNG, WebP, GIF, TIFF, AVIF";

function ascii(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}

function startsWith(bytes: Uint8Array, ...prefix: number[]): boolean {
  return prefix.every((byte, i) => bytes[i] === byte);
}

/**
 * The format that the first bytes declare, or undefined for one that is not decoded.
 *
 * Our own look at the signature comes before libvips's, so that its SVG, PDF, HEIC and ImageMagick loaders are never
 * reached by what a user sends, without touching sharp's process-wide block list.
 */
export function sniffImageFormat(bytes: Uint8Array): ImageFormat | undefined {
  if (startsWith(bytes, 0xff, 0xd8, 0xff)) return "jpeg";
  if (startsWith(bytes, 0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return "png";
  if (ascii(bytes, 0, 4) === "RIFF" && ascii(bytes, 8, 12) === "WEBP") return "webp";
  if (["GIF87a", "GIF89a"].includes(ascii(bytes, 0, 6))) return "gif";
  // 42 is classic TIFF, 43 BigTIFF; in either byte order.
  if (startsWith(bytes, 0x49, 0x49) && (bytes[2] === 42 || bytes[2] === 43) && bytes[3] === 0) return "tiff";
  if (startsWith(bytes, 0x4d, 0x4d) && bytes[2] === 0 && (bytes[3] === 42 || bytes[3] === 43)) return "tiff";
  if (ascii(bytes, 4, 8) === "ftyp" && hasAvifBrand(bytes)) return "avif";
  return undefined;
}

/** An AVIF's `ftyp` box names `avif` or `avis` as its brand or among the compatible ones (some writers put `mif1` first). */
function hasAvifBrand(bytes: Uint8Array): boolean {
  const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0);
  const end = Math.min(size, bytes.length, 256);
  for (let at = 8; at + 4 <= end; at += 4) {
    const brand = ascii(bytes, at, at + 4);
    if (at !== 12 && (brand === "avif" || brand === "avis")) return true;
  }
  return false;
}
