import { captionKey, classEmbeddings, retrieval, zeroShotAccuracy, type ImageTextPair, type PairEncoders, type ParameterSet } from "@sightline/contrastive";
import { tokenRows, type PairInputs } from "./pair-inputs.js";
import type { TrainingModel } from "./training-model.js";

type Everything = Awaited<ReturnType<PairInputs["everything"]>>;

/** Recall both ways and mean logits of a held-out set, by the names of logs: `imageToText.r1`, `textToImage.r1`, … */
export async function retrievalFigures(held: Everything, encoders: PairEncoders, parameters: ParameterSet, width: number, temperature: { readonly logitScale: number; readonly logitBias: number }, signal?: AbortSignal): Promise<Readonly<Record<string, number>>> {
  const images = await encoders.embed("image", parameters, held.images, signal);
  const texts = await encoders.embed("text", parameters, held.texts, signal);
  const imageOfText = Int32Array.from(held.pairs.flatMap(({ captions }, i) => captions.map(() => i)));
  const keys = held.pairs.flatMap(({ captions }) => captions.map(captionKey));
  const { imageToText, textToImage } = retrieval({ width, images, texts, imageOfText, keys });
  const named = Object.entries({ imageToText, textToImage }).flatMap(([direction, { at, medianRank }]) => [
    ...[...at].map(([k, share]) => [`${direction}.r${k}`, share] as const),
    [`${direction}.medianRank`, medianRank] as const,
  ]);
  return { ...Object.fromEntries(named), ...meanLogits(images, texts, imageOfText, width, temperature) };
}

/** Accuracy of naming images whose caption is their class. */
export class ZeroShotTask {
  readonly #held: Everything;
  readonly #prompts: readonly string[];
  readonly #perClass: number;
  readonly #labels: Int32Array;

  /** @param templates each with `{label}` in it */
  constructor(held: Everything, templates: readonly string[]) {
    const nameOf = ({ captions }: ImageTextPair): string => captions[0] as string;
    const classes = [...new Set(held.pairs.map(nameOf))].sort();
    this.#held = held;
    this.#perClass = templates.length;
    this.#prompts = classes.flatMap((label) => templates.map((template) => template.replaceAll("{label}", label)));
    this.#labels = Int32Array.from(held.pairs, (pair) => classes.indexOf(nameOf(pair)));
  }

  async figures(model: TrainingModel, encoders: { readonly images: PairEncoders; readonly texts: PairEncoders }, parameters: ParameterSet, signal?: AbortSignal): Promise<Readonly<Record<string, number>>> {
    const { width } = model.towers;
    const images = await encoders.images.embed("image", parameters, this.#held.images, signal);
    const classes = classEmbeddings(await encoders.texts.embed("text", parameters, tokenRows(model, this.#prompts), signal), width, this.#perClass);
    const { top1, top5 } = zeroShotAccuracy(images, classes, this.#labels, width);
    return { "zeroShot.top1": top1, "zeroShot.top5": top5 };
  }
}

/** Mean logits of matches and of all other pairs, which need the sums of the rows alone. */
function meanLogits(images: Float32Array, texts: Float32Array, imageOfText: Int32Array, width: number, { logitScale, logitBias }: { readonly logitScale: number; readonly logitBias: number }): Readonly<Record<string, number>> {
  const unit = (rows: Float32Array, i: number): Float64Array => {
    const row = Float64Array.from(rows.subarray(i * width, (i + 1) * width));
    const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0)) || 1;
    return row.map((value) => value / norm);
  };
  const sumOf = (rows: Float32Array): Float64Array => {
    const sum = new Float64Array(width);
    for (let i = 0; i < rows.length / width; i++) unit(rows, i).forEach((value, k) => (sum[k] = (sum[k] as number) + value));
    return sum;
  };
  const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, k) => sum + value * (b[k] as number), 0);
  const t = Math.exp(logitScale);
  const positive = imageOfText.reduce((sum, image, text) => sum + dot(unit(images, image), unit(texts, text)), 0);
  const all = dot(sumOf(images), sumOf(texts));
  const pairs = (images.length / width) * imageOfText.length;
  return {
    meanPositiveLogit: (t * positive) / imageOfText.length + logitBias,
    ...(pairs > imageOfText.length ? { meanNegativeLogit: (t * (all - positive)) / (pairs - imageOfText.length) + logitBias } : {}),
  };
}
