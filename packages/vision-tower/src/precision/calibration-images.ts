import { fileURLToPath } from "node:url";
import { decodeImage, type DecodedImage } from "../pixels/decode-image.js";

const photo = fileURLToPath(new URL("../../calibration/photo.jpg", import.meta.url));

/** The images that int8 is tried on: a photo, and a drawing of flat areas, hard edges and noise, which a photo lacks. */
export async function calibrationImages(): Promise<readonly DecodedImage[]> {
  return [await decodeImage(photo), drawing(256)];
}

/** Coloured squares, some flat, some striped, some noisy. */
function drawing(side: number): DecodedImage {
  const data = new Uint8Array(side * side * 3);
  const square = side / 8;
  let random = 1;
  for (let y = 0, at = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const column = Math.floor(x / square);
      const row = Math.floor(y / square);
      const kind = (column + row) % 3;
      for (let channel = 0; channel < 3; channel++) {
        // Numerical Recipes' generator: the same drawing on every machine.
        random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
        const flat = (column * 37 + row * 59 + channel * 101) % 256;
        data[at++] = kind === 0 ? flat : kind === 1 ? ((x >> (channel + 1)) & 1) * 255 : random >>> 24;
      }
    }
  }
  return { width: side, height: side, data };
}
