import { dataUrl } from "./data-url";

/** A picture ready to be sent. */
export interface PreparedPicture {
  readonly blob: Blob;
  readonly name: string;
  /** Pixels, as it is sent. */
  readonly width: number;
  readonly height: number;
}

/** The longer side that is sent, in pixels: more than any tower here looks at, tiles included. */
const longestSide = 2048;
const mostBytesAsTheyAre = 4 * 1024 * 1024;
/** Types that the server reads; others that the browser can show are converted. */
const sentAsTheyAre: ReadonlySet<string> = new Set(["image/png", "image/jpeg", "image/webp"]);

/**
 * Scales a picture down where it is larger than a model looks at, turned as its camera says, and converts what the server
 * may not know. A picture that is small enough is sent byte for byte.
 * @throws Error with a sentence for the person who chose the file
 */
export async function preparePicture(file: File): Promise<PreparedPicture> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch (cause) {
    throw new Error(`“${file.name}” could not be read as a picture.`, { cause });
  }
  try {
    const { width, height } = bitmap;
    if (sentAsTheyAre.has(file.type) && Math.max(width, height) <= longestSide && file.size <= mostBytesAsTheyAre) return { blob: file, name: file.name, width, height };
    const size = fitted(width, height, longestSide);
    return { ...size, name: file.name, blob: await encode(await draw(bitmap, size)) };
  } finally {
    bitmap.close();
  }
}

/** A size with the same shape, its longer side at most `most` and its shorter at least 1. */
export function fitted(width: number, height: number, most: number): { width: number; height: number } {
  const scale = Math.min(1, most / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

async function draw(bitmap: ImageBitmap, { width, height }: { width: number; height: number }): Promise<OffscreenCanvas> {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser gives no canvas to scale the picture with.");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  return canvas;
}

/** JPEG, or PNG where something shows through. */
async function encode(canvas: OffscreenCanvas): Promise<Blob> {
  const pixels = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data ?? new Uint8ClampedArray();
  for (let alpha = 3; alpha < pixels.length; alpha += 4) if (pixels[alpha] !== 255) return canvas.convertToBlob({ type: "image/png" });
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
}

const thumbnailSide = 80;

/** The middle of a picture as a small square, as a data URL. */
export async function thumbnailOf(blob: Blob): Promise<string> {
  const bitmap = await createImageBitmap(blob);
  try {
    const side = Math.min(bitmap.width, bitmap.height);
    const canvas = new OffscreenCanvas(thumbnailSide, thumbnailSide);
    const context = canvas.getContext("2d");
    if (!context) throw new Error("This browser gives no canvas to draw the thumbnail with.");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, thumbnailSide, thumbnailSide);
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, thumbnailSide, thumbnailSide);
    return await dataUrl(await canvas.convertToBlob({ type: "image/jpeg", quality: 0.8 }));
  } finally {
    bitmap.close();
  }
}
