import { writeFile } from "node:fs/promises";
import path from "node:path";
import sharp from "sharp";

/** Small pictures, no two alike. */
export async function writePictures(folder: string, count: number, name: (i: number) => string): Promise<void> {
  const side = 24;
  for (let i = 0; i < count; i++) {
    const pixels = new Uint8Array(side * side * 3);
    for (let at = 0; at < pixels.length; at++) pixels[at] = (at * (i + 3) + i * 31) & 255;
    await writeFile(path.join(folder, name(i)), await sharp(pixels, { raw: { width: side, height: side, channels: 3 } }).png().toBuffer());
  }
}
