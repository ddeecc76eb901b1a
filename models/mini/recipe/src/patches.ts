import { miniVision } from "./mini-config.js";

const { imageSize, patchSize } = miniVision;
const columns = imageSize / patchSize;

/** Values of one patch: 3·p·p. */
export const patchWidth: number = 3 * patchSize * patchSize;

/**
 * Copies one patch of an image into the (channel, row, column) order of the tower's patch embedding.
 * @param image uint8[H, W, 3]
 * @param position its place in the grid, row-major
 */
export function copyPatch(image: Uint8Array, position: number, out: Uint8Array, offset: number): void {
  const top = Math.floor(position / columns) * patchSize;
  const left = (position % columns) * patchSize;
  let at = offset;
  for (let channel = 0; channel < 3; channel++) {
    for (let row = 0; row < patchSize; row++) {
      let from = ((top + row) * imageSize + left) * 3 + channel;
      for (let column = 0; column < patchSize; column++, from += 3) out[at++] = image[from] as number;
    }
  }
}
