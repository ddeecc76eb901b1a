import { normalizeRows } from "../losses/normalized-rows.js";
import { TrainingError } from "../training-error.js";
import { cosineTile } from "./cosine-tile.js";

/** Images whose cosines with all classes are held at a time. */
const tileImages = 16;

/**
 * One embedding a class from several templates: the mean of their unit rows, of unit length again (Radford et al. 2021, 3.1.4).
 * @param templates float32[C · K, D], the K templates of a class after each other
 * @returns float32[C, D]
 */
export function classEmbeddings(templates: Float32Array, width: number, perClass: number): Float32Array {
  const rows = normalizeRows(templates, width).rows;
  const means = new Float32Array(templates.length / perClass);
  for (let row = 0; row < rows.length / width; row++) {
    const at = Math.floor(row / perClass) * width;
    for (let k = 0; k < width; k++) means[at + k] = (means[at + k] as number) + (rows[row * width + k] as number);
  }
  return normalizeRows(means, width).rows;
}

/**
 * How often an image's own class is the nearest, and among the five nearest; shares, 0 to 1. Equal cosines count against it.
 * @param images float32[N, D], of any length
 * @param classes float32[C, D], of unit length
 * @param labels int[N], each in [0, C)
 * @throws TrainingError when a list does not fit
 */
export function zeroShotAccuracy(images: Float32Array, classes: Float32Array, labels: ArrayLike<number>, width: number): { readonly top1: number; readonly top5: number } {
  const [n, c] = [images.length / width, classes.length / width];
  if (n === 0 || n !== labels.length) throw new TrainingError(`zeroShotAccuracy: expected as many labels as images, at least one, got ${labels.length} and ${n}`);
  const x = normalizeRows(images, width).rows;
  const cosines = new Float64Array(tileImages * c);
  let [first, five] = [0, 0];
  for (let i = 0; i < n; i++) {
    const inTile = i % tileImages;
    if (inTile === 0) cosineTile(x, { from: i, to: Math.min(n, i + tileImages) }, classes, { from: 0, to: c }, width, cosines);
    const row = cosines.subarray(inTile * c, (inTile + 1) * c);
    const own = row[labels[i] as number];
    if (own === undefined) throw new TrainingError(`zeroShotAccuracy: image ${i} expected a label from 0 to ${c - 1}, got ${labels[i]}`);
    const before = row.reduce((sum, cosine, j) => sum + (!(cosine < own) && j !== labels[i] ? 1 : 0), 0);
    if (before < 1) first++;
    if (before < 5) five++;
  }
  return { top1: first / n, top5: five / n };
}
