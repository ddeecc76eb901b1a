import sharp from "sharp";
import type { Metadata, OutputInfo, Sharp } from "sharp";

import { ImageError } from "./image-error.js";
import { sniffImageFormat, supportedFormats } from "./image-format.js";
import type { ImageFormat } from "./image-format.js";
import { readImageFile } from "./image-source.js";
import type { ImageFile, ImageSource } from "./image-source.js";

/** An image as the rest of the way needs it: `data` is `uint8[H, W, 3]`, sRGB, row by row, no padding. */
export interface DecodedImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Bounds on what is decoded, against files made to fill the memory. */
export interface ImageLimits {
  /** Largest file, in bytes. Default 64 MiB. */
  readonly maxBytes?: number;
  /** Most pixels (width x height) of the decoded image. Default 64,000,000, which is 192 MB decoded. */
  readonly maxPixels?: number;
}

/** Settings of `decodeImage`. */
export interface DecodeImageOptions {
  readonly limits?: ImageLimits;
  /** Stops between reading, header and decoding; libvips itself cannot be interrupted. Rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called with the bytes of the decoded pixels once the header is read; they are decoded when its promise resolves. For
   * programs that decode many images and bound the memory of all together.
   */
  readonly admit?: (bytes: number) => Promise<void>;
  /** What errors call the image; its path, or how many bytes it has, when left out. */
  readonly name?: string;
}

const defaultMaxBytes = 64 * 2 ** 20;
const defaultMaxPixels = 64_000_000;

/**
 * Decodes one image file to sRGB. What is decided on the way, and why:
 *
 * - EXIF orientation is applied, because the picture that a person sees is the one that was labelled; Hugging Face's
 *   `load_image` applies it too.
 * - Alpha is composited on white, the paper that most transparent pictures were drawn for. Pillow drops it, and shows
 *   what lies under transparent pixels, often black or garish.
 * - 16 bits become 8 by dropping the low byte, so that 0..65535 covers 0..255; towers were trained on 8 bits. Pillow
 *   clamps 16-bit grey at 255, which makes nearly all of it white.
 * - An embedded ICC profile is converted to sRGB, because towers were trained on pictures from the web, which are sRGB;
 *   Pillow leaves a wide-gamut photo pale. CMYK without a profile goes through libvips's own, because it has no RGB of
 *   its own; Pillow's formula makes colours that no printer would.
 * - Grey becomes three equal channels, as Pillow's `convert("RGB")` does it, because towers take three.
 * - Of an animation or a file of several pages, the first frame counts: the one that a viewer shows first, and Pillow's.
 * - A JPEG is decoded at its full size. Shrinking while decoding (libjpeg's 1/2, 1/4, 1/8) would be faster and gives
 *   other pixels than Pillow's resize of the full picture, so it is never used.
 * - Formats: JPEG, PNG, WebP, GIF, TIFF, AVIF. SVG is refused: it has no size in pixels of its own, can be made
 *   arbitrarily slow to draw, and can refer to other files. 32-bit and float samples are refused: nothing in the file
 *   says which value is white.
 * - A truncated or damaged file is an error, never a picture that is grey in its lower half.
 *
 * @throws ImageError with one line that names the source and what to do.
 */
export async function decodeImage(input: ImageSource, options: DecodeImageOptions = {}): Promise<DecodedImage> {
  const { limits = {}, signal, admit, name } = options;
  const maxBytes = limits.maxBytes ?? defaultMaxBytes;
  const maxPixels = limits.maxPixels ?? defaultMaxPixels;
  const read = await readImageFile(input, maxBytes, signal);
  const file = name === undefined ? read : { ...read, name };
  const format = sniffImageFormat(file.bytes);
  if (format === undefined) throw unsupported(file);

  const header = await readHeader(file, maxPixels);
  checkHeader(file, header, format, maxPixels);
  await admit?.(header.width * header.height * 3);
  signal?.throwIfAborted();

  const image = await decodePixels(file, header, maxPixels);
  signal?.throwIfAborted();
  return image;
}

/**
 * The bytes of an image file, as `decodeImage` would read them: to know a picture again without decoding it, or to keep it.
 * @throws ImageError as `decodeImage` does for what is no readable file of an allowed size
 */
export function readImage(input: ImageSource, { limits = {}, signal }: Pick<DecodeImageOptions, "limits" | "signal"> = {}): Promise<ImageFile> {
  return readImageFile(input, limits.maxBytes ?? defaultMaxBytes, signal);
}

/**
 * The size of a picture as `decodeImage` would give it, from its header alone: to know what a picture will cost, and to
 * refuse one that cannot be decoded, before anything is.
 * @throws ImageError as `decodeImage` does, but for pixels that are damaged behind a whole header
 */
export async function imageSize(input: ImageSource, { limits = {}, signal, name }: Pick<DecodeImageOptions, "limits" | "signal" | "name"> = {}): Promise<{ readonly width: number; readonly height: number }> {
  const read = await readImageFile(input, limits.maxBytes ?? defaultMaxBytes, signal);
  const file = name === undefined ? read : { ...read, name };
  const format = sniffImageFormat(file.bytes);
  if (format === undefined) throw unsupported(file);
  const maxPixels = limits.maxPixels ?? defaultMaxPixels;
  const header = await readHeader(file, maxPixels);
  checkHeader(file, header, format, maxPixels);
  const { width, height } = header.autoOrient;
  return { width, height };
}

/** What sharp is told to open; the same for the header and the pixels, so that both judge the file alike. */
function openWithSharp(file: ImageFile, maxPixels: number): Sharp {
  return sharp(file.bytes, { failOn: "warning", limitInputPixels: maxPixels, autoOrient: true, page: 0, pages: 1 });
}

async function readHeader(file: ImageFile, maxPixels: number): Promise<Metadata> {
  try {
    return await openWithSharp(file, maxPixels).metadata();
  } catch (cause) {
    // The only place where a native message is read; it is matched and never shown.
    if (cause instanceof Error && /pixel limit/i.test(cause.message)) throw tooManyPixels(file, "more pixels than allowed", maxPixels, cause);
    throw damaged(file, cause);
  }
}

function checkHeader(file: ImageFile, header: Metadata, format: ImageFormat, maxPixels: number): void {
  // libvips chose its loader by its own rules: if it disagrees with the signature, someone is playing games.
  if (header.format !== (format === "avif" ? "heif" : format)) throw unsupported(file);
  if (header.width * header.height > maxPixels) {
    throw tooManyPixels(file, `${header.width}x${header.height} pixels`, maxPixels);
  }
  if (header.depth !== "uchar" && header.depth !== "ushort") {
    throw new ImageError("unsupported-samples", file.name, `has ${header.depth} samples, whose white is not defined; save it with 8 or 16 bits a channel`);
  }
}

async function decodePixels(file: ImageFile, header: Metadata, maxPixels: number): Promise<DecodedImage> {
  const pipeline = openWithSharp(file, maxPixels);
  // With a profile, sharp takes 16-bit RGB to Display P3 and leaves raw output there, and it passes over the profile of
  // 16-bit grey. Going to 8 bits first avoids both, at the cost of one level in places.
  if (header.space === "rgb16" || header.space === "grey16") pipeline.pipelineColourspace("srgb");
  pipeline.flatten({ background: "#ffffff" }).toColourspace("srgb").raw({ depth: "uchar" });
  let decoded: { data: Buffer; info: OutputInfo };
  try {
    decoded = await pipeline.toBuffer({ resolveWithObject: true });
  } catch (cause) {
    throw damaged(file, cause);
  }
  const { data, info } = decoded;
  if (info.channels !== 3 || data.length !== info.width * info.height * 3) {
    throw new ImageError("unsupported-samples", file.name, `decodes to ${info.channels} channels, expected 3; save it as an RGB image`);
  }
  return { width: info.width, height: info.height, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

function unsupported(file: ImageFile): ImageError {
  return new ImageError("unsupported-format", file.name, `is not an image that can be read; save it as one of ${supportedFormats}`);
}

function damaged(file: ImageFile, cause: unknown): ImageError {
  return new ImageError("damaged", file.name, "is truncated or damaged; export or download it again", { cause });
}

function tooManyPixels(file: ImageFile, found: string, maxPixels: number, cause?: unknown): ImageError {
  return new ImageError(
    "too-many-pixels", file.name, `has ${found}, and the limit is ${maxPixels}; shrink it or raise limits.maxPixels`,
    cause === undefined ? undefined : { cause },
  );
}
