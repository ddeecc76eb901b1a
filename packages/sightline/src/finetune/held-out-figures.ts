import { captionKey, classEmbeddings, meanPairLogits, retrieval, zeroShotAccuracy, type ImageTextPair, type PairEncoders, type ParameterSet } from "@sightline/contrastive";
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
  // A set of one pair has no negatives, whose mean is then no number.
  const logits = Object.entries(meanPairLogits({ width, images, texts, imageOfText }, temperature)).filter(([, mean]) => !Number.isNaN(mean));
  return Object.fromEntries([...named, ...logits]);
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
