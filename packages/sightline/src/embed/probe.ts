import type { DecodedImage } from "@sightline/vision-tower";
import type { ImageInput, TextInput } from "./embed-inputs.js";

const [width, height] = [96, 64];

/** A picture with colour, edges and slopes: models that differ see it differently. */
function probePicture(): DecodedImage {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data.set([(x * 255) / width, (y * 255) / height, ((x >> 4) + (y >> 4)) % 2 === 0 ? 230 : 25], (y * width + x) * 3);
  }
  return { width, height, data };
}

/** Inputs that are always the same: what a model makes of them tells whether it is still the same model. */
export const probeImage: ImageInput = { key: "probe", path: "probe", image: probePicture() };
export const probeText: TextInput = { key: "probe", path: "probe", text: "a photo of a red bicycle beside a lake" };
