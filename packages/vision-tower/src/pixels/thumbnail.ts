import sharp from "sharp";
import type { DecodedImage } from "./decode-image.js";

/**
 * A small JPEG of a picture, for people to look at.
 * @param maxSide the longer side at most, in pixels; the picture is never enlarged
 * @throws RangeError when it is less than a pixel
 */
export async function thumbnail({ width, height, data }: DecodedImage, maxSide: number): Promise<Uint8Array> {
  if (!(Number.isSafeInteger(maxSide) && maxSide > 0)) throw new RangeError(`thumbnail: expected maxSide to be at least 1 pixel, got ${maxSide}`);
  const jpeg = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize(maxSide, maxSide, { fit: "inside", withoutEnlargement: true })
    .jpeg({ quality: 80 })
    .toBuffer();
  return new Uint8Array(jpeg.buffer, jpeg.byteOffset, jpeg.byteLength);
}
