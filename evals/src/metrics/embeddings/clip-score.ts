import type { VisionTower } from "sightline";
import { EvalError } from "../../eval-error.js";
import type { CaptionToScore } from "../captions/score-captions.js";

/** What the paper puts before each caption, and how it stretches the cosine. */
const prefix = "A photo depicts ";
const stretch = 2.5;

/** The part of a tower that embeds: `loadSiglip` and `loadVisionTower` give one. */
export type EmbeddingTower = Pick<VisionTower, "encodeImages" | "encodeTexts">;

export interface ImageToScore extends CaptionToScore {
  /** Bytes, a path or a file URL. */
  readonly image: Parameters<VisionTower["encodeImages"]>[0][number];
}

/** Reference-free and reference-based scores by a tower that embeds images and texts. */
export interface EmbeddingScores {
  /**
   * "clipScore" and "refClipScore" for a CLIP tower (the paper's is ViT-B/32), "siglipScore" and "refSiglipScore" for a
   * SigLIP one: their cosines spread differently, so that the figures must not be compared.
   */
  readonly names: readonly [score: "clipScore" | "siglipScore", ref: "refClipScore" | "refSiglipScore"];
  /** Means over the images. */
  readonly score: number;
  readonly refScore: number;
  readonly perImage: readonly { readonly imageId: number | string; readonly score: number; readonly refScore: number }[];
}

/**
 * CLIPScore and RefCLIPScore (Hessel et al. 2021): 2.5 max(cos(image, caption), 0), and its harmonic mean with the largest
 * cosine of the caption and a reference.
 * @param family of the tower; the names of the figures follow from it
 * @throws EvalError `bad-input` without images; ImageError for an image that cannot be read
 */
export async function embeddingScores(tower: EmbeddingTower, family: "clip" | "siglip", images: readonly ImageToScore[], { signal }: { readonly signal?: AbortSignal } = {}): Promise<EmbeddingScores> {
  if (images.length === 0) throw new EvalError("bad-input", "embeddingScores: expected at least one image, got none");
  const perImage: EmbeddingScores["perImage"][number][] = [];
  for (const { imageId, image, candidate = "", references } of images) {
    const options = signal ? { signal } : {};
    const [{ pooled: picture }, texts] = await Promise.all([tower.encodeImages([image], options), tower.encodeTexts([candidate, ...references].map((text) => prefix + text), options)]);
    const width = texts.length / (references.length + 1);
    const said = texts.subarray(0, width);
    const score = stretch * Math.max(cosine(picture, said), 0);
    const nearest = references.reduce((most, _, i) => Math.max(most, cosine(said, texts.subarray((i + 1) * width, (i + 2) * width))), 0);
    perImage.push({ imageId, score, refScore: score + nearest === 0 ? 0 : (2 * score * nearest) / (score + nearest) });
  }
  const mean = (of: (scores: EmbeddingScores["perImage"][number]) => number): number => perImage.reduce((sum, scores) => sum + of(scores), 0) / perImage.length;
  return {
    names: family === "clip" ? ["clipScore", "refClipScore"] : ["siglipScore", "refSiglipScore"],
    score: mean(({ score }) => score),
    refScore: mean(({ refScore }) => refScore),
    perImage,
  };
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, squareA, squareB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    dot += x * y;
    squareA += x * x;
    squareB += y * y;
  }
  return dot / Math.sqrt(squareA * squareB);
}
