import sharp from "sharp";
import type { ImageFormat } from "./image-format.js";

const formats: Readonly<Record<ImageFormat, keyof typeof sharp.format>> = { jpeg: "jpeg", png: "png", webp: "webp", gif: "gif", tiff: "tiff", avif: "heif" };

/** What decodes images here: versions of sharp and of libvips in it, and those of our formats that it reads. */
export function imageLibrary(): { readonly sharp: string; readonly libvips: string; readonly formats: readonly ImageFormat[] } {
  const known = Object.keys(formats) as ImageFormat[];
  return {
    sharp: sharp.versions.sharp ?? "unknown",
    libvips: sharp.versions.vips,
    formats: known.filter((format) => sharp.format[formats[format]]?.input.buffer === true),
  };
}
