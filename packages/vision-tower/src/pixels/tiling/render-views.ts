import type { DecodedImage } from "../decode-image.js";
import { resample } from "../resample.js";
import type { ImageView, PixelStep } from "./image-plan.js";

/**
 * Carries out the steps of each view on a picture. Steps that views have in common, as tiles of one resized picture
 * have, are done once.
 * @returns one picture a view, `uint8[height, width, 3]`
 * @throws RangeError for a crop that leaves the picture or a canvas that does not hold it
 */
export function renderViews(image: DecodedImage, views: readonly ImageView[]): DecodedImage[] {
  const done = new Map<string, DecodedImage>();
  return views.map((view) => {
    let picture = image;
    let key = "";
    for (const step of view) {
      key += JSON.stringify(step);
      const known = done.get(key) ?? apply(picture, step);
      done.set(key, known);
      picture = known;
    }
    return picture;
  });
}

function apply(image: DecodedImage, step: PixelStep): DecodedImage {
  switch (step.type) {
    case "resize": return resample(step.widthFirst ? resample(image, step.width, image.height, step.filter) : image, step.width, step.height, step.filter);
    case "crop": return crop(image, step);
    case "pad": return pad(image, step);
  }
}

function crop({ width, height, data }: DecodedImage, step: Extract<PixelStep, { type: "crop" }>): DecodedImage {
  if (step.left < 0 || step.top < 0 || step.width < 1 || step.height < 1 || step.left + step.width > width || step.top + step.height > height) {
    throw new RangeError(`renderViews: expected a crop inside ${width}x${height}, got ${step.width}x${step.height} at ${step.left}, ${step.top}`);
  }
  const out = new Uint8Array(step.width * step.height * 3);
  for (let row = 0; row < step.height; row++) {
    const from = ((step.top + row) * width + step.left) * 3;
    out.set(data.subarray(from, from + step.width * 3), row * step.width * 3);
  }
  return { width: step.width, height: step.height, data: out };
}

function pad({ width, height, data }: DecodedImage, step: Extract<PixelStep, { type: "pad" }>): DecodedImage {
  if (step.left < 0 || step.top < 0 || step.left + width > step.width || step.top + height > step.height) {
    throw new RangeError(`renderViews: expected a canvas that holds ${width}x${height} at ${step.left}, ${step.top}, got ${step.width}x${step.height}`);
  }
  const out = new Uint8Array(step.width * step.height * 3);
  const [red, green, blue] = step.color;
  for (let at = 0; at < out.length; at += 3) {
    out[at] = red;
    out[at + 1] = green;
    out[at + 2] = blue;
  }
  for (let row = 0; row < height; row++) out.set(data.subarray(row * width * 3, (row + 1) * width * 3), ((step.top + row) * step.width + step.left) * 3);
  return { width: step.width, height: step.height, data: out };
}
