import { pairBatches, rowsInMemory, type BadPair, type ChosenPair, type DataPosition, type ImageTextPair, type RowSource } from "@sightline/contrastive";
import type { SessionOptions } from "@sightline/graph";
import { SightlineError } from "../sightline-error.js";
import type { Adaptation } from "./adaptation.js";
import { BatchRows } from "./batch-rows.js";
import type { FinetuneConfig } from "./finetune-settings.js";
import { loadedBatches, partOf, wholeBatch, type BatchShare } from "./loaded-batches.js";
import { captionStarts, FrozenFeatures } from "./pair-features.js";
import type { TrainingModel } from "./training-model.js";
import { trainingPixels } from "./training-pixels.js";

/** A batch as the towers take it. */
export interface InputBatch {
  readonly pairs: readonly ChosenPair[];
  readonly images: RowSource;
  readonly texts: RowSource;
  readonly epoch: number;
  readonly next: DataPosition;
  readonly bad: readonly BadPair[];
}

export interface PairBatchesOptions {
  /** As many as will probably be taken; no batch is prepared ahead beyond them. */
  readonly wanted: number;
  /** Which part of each batch, where several processes take one together. */
  readonly share?: BatchShare;
  readonly signal?: AbortSignal;
}

const keepBytes = 512 * 2 ** 20;
const decodedAtOnce = 8;

/**
 * The inputs of both towers for the pairs of one data set: pixels and tokens, or the features of a frozen part, which are
 * computed for all pairs before the first batch.
 */
export class PairInputs implements AsyncDisposable {
  readonly pairs: readonly ImageTextPair[];
  /** Pairs that had to go because their image cannot be read; found where features are computed. */
  readonly bad: readonly BadPair[];
  readonly #model: TrainingModel;
  readonly #config: FinetuneConfig;
  readonly #features: { readonly image?: FrozenFeatures; readonly text?: FrozenFeatures };
  readonly #places: ReadonlyMap<ImageTextPair, number>;
  readonly #captions: readonly number[];

  private constructor(model: TrainingModel, config: FinetuneConfig, pairs: readonly ImageTextPair[], bad: readonly BadPair[], features: { readonly image?: FrozenFeatures; readonly text?: FrozenFeatures }) {
    this.#model = model;
    this.#config = config;
    this.pairs = pairs;
    this.bad = bad;
    this.#features = features;
    this.#places = new Map(pairs.map((pair, i) => [pair, i]));
    this.#captions = captionStarts(pairs);
  }

  /** @param onFeatures told how many rows of a tower's features are done */
  static async open(
    model: TrainingModel,
    config: FinetuneConfig,
    all: readonly ImageTextPair[],
    frozen: Adaptation["frozen"],
    session: SessionOptions,
    onFeatures: (tower: "image" | "text", done: number, total: number) => void,
    signal?: AbortSignal,
  ): Promise<PairInputs> {
    const chunk = config.chunk ?? Math.min(config.batchSize, 16);
    const rows = { chunk, keepBytes };
    let [pairs, bad]: readonly [readonly ImageTextPair[], readonly BadPair[]] = [all, []];
    let image: FrozenFeatures | undefined;
    if (frozen.image) {
      const readable = await readableImages(all, model, config, signal);
      ({ pairs, bad } = readable);
      await using images = readable.images;
      const source = pixelRows(model, images, pairs.length);
      image = await FrozenFeatures.compute(model, { tower: "image", trained: frozen.image, source, ...rows }, session, (done) => onFeatures("image", done, pairs.length), signal);
    }
    const captions = pairs.flatMap((pair) => pair.captions);
    const text = frozen.text
      ? await FrozenFeatures.compute(model, { tower: "text", trained: frozen.text, source: tokenRows(model, captions), ...rows }, session, (done) => onFeatures("text", done, captions.length), signal)
      : undefined;
    return new PairInputs(model, config, pairs, bad, { ...(image ? { image } : {}), ...(text ? { text } : {}) });
  }

  /** What is left of each tower where its frozen part has been computed. */
  get parts(): { readonly image: FrozenFeatures["part"] | undefined; readonly text: FrozenFeatures["part"] | undefined } {
    return { image: this.#features.image?.part, text: this.#features.text?.part };
  }

  /** Batches without end from a position on. */
  async *batches(from: DataPosition, { wanted, share = wholeBatch, signal }: PairBatchesOptions): AsyncGenerator<InputBatch, void> {
    const { batchSize, seed, data } = this.#config;
    if (this.#features.image) {
      for (const { pairs: all, epoch, next } of pairBatches(this.pairs, { batchSize, seed, from })) {
        const pairs = partOf(all, share);
        yield { pairs, images: this.#imageFeatures(pairs), texts: this.#texts(pairs), epoch, next, bad: [] };
      }
      return;
    }
    const { vision } = this.#model;
    const { augment } = data;
    const load = (pair: ImageTextPair, epoch: number): Promise<Uint8Array> => trainingPixels(pair, vision, augment && { settings: augment, seed, epoch }, signal);
    for await (const { pairs, images, epoch, next, bad } of loadedBatches(this.pairs, { batchSize, seed, from, imageBytes: vision.rowBytes, load, onBad: data.bad, wanted, share, ...(signal ? { signal } : {}) })) {
      yield { pairs, images: pixelRows(this.#model, images, pairs.length), texts: this.#texts(pairs), epoch, next, bad };
    }
  }

  /** All pairs in order, every caption a text; the images are decoded once and kept until this is disposed of. */
  async everything(signal?: AbortSignal): Promise<{ readonly pairs: readonly ImageTextPair[]; readonly images: RowSource; readonly texts: RowSource; readonly bad: readonly BadPair[] } & AsyncDisposable> {
    if (this.#features.image) {
      const images = this.#features.image.source(this.pairs.map((_, i) => i));
      return { pairs: this.pairs, images, texts: this.#allTexts(this.pairs), bad: [], [Symbol.asyncDispose]: async () => undefined };
    }
    const { pairs, images, bad } = await readableImages(this.pairs, this.#model, this.#config, signal);
    return { pairs, images: pixelRows(this.#model, images, pairs.length), texts: this.#allTexts(pairs), bad, [Symbol.asyncDispose]: () => images[Symbol.asyncDispose]() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#features.image?.[Symbol.asyncDispose]();
    await this.#features.text?.[Symbol.asyncDispose]();
  }

  #imageFeatures(pairs: readonly ChosenPair[]): RowSource {
    return (this.#features.image as FrozenFeatures).source(pairs.map(({ pair }) => this.#places.get(pair) as number));
  }

  #texts(pairs: readonly ChosenPair[]): RowSource {
    const { text } = this.#features;
    if (!text) return tokenRows(this.#model, pairs.map(({ caption }) => caption));
    return text.source(pairs.map(({ pair, caption }) => (this.#captions[this.#places.get(pair) as number] as number) + pair.captions.indexOf(caption)));
  }

  #allTexts(pairs: readonly ImageTextPair[]): RowSource {
    const { text } = this.#features;
    if (!text) return tokenRows(this.#model, pairs.flatMap(({ captions }) => captions));
    return text.source(pairs.flatMap((pair) => pair.captions.map((_, i) => (this.#captions[this.#places.get(pair) as number] as number) + i)));
  }
}

/** Texts as the text tower takes them: `tokens` int64[C, T]. */
export function tokenRows({ tokenizer }: TrainingModel, texts: readonly string[]): RowSource {
  const { ids, shape } = tokenizer.encode(texts);
  return rowsInMemory({ tokens: { dtype: "int64", shape, data: ids } });
}

/** Kept images as the image tower takes them. */
export function pixelRows({ vision }: TrainingModel, images: BatchRows, count: number): RowSource {
  return { count, rows: async (from, to) => vision.feeds(await images.read(from, to), to - from) };
}

/** The images of a set that can be read, decoded without augmentation, and the pairs that cannot. */
export async function readableImages(
  all: readonly ImageTextPair[],
  { vision }: TrainingModel,
  { data }: Pick<FinetuneConfig, "data">,
  signal?: AbortSignal,
): Promise<{ readonly pairs: readonly ImageTextPair[]; readonly images: BatchRows; readonly bad: readonly BadPair[] }> {
  const images = await BatchRows.create(all.length, vision.rowBytes, keepBytes);
  const pairs: ImageTextPair[] = [];
  const bad: BadPair[] = [];
  try {
    for (let from = 0; from < all.length; from += decodedAtOnce) {
      signal?.throwIfAborted();
      const group = all.slice(from, from + decodedAtOnce);
      const decoded = await Promise.all(group.map((pair) => trainingPixels(pair, vision, undefined, signal).catch((error: unknown) => error as Error)));
      for (const [i, pixels] of decoded.entries()) {
        const pair = group[i] as ImageTextPair;
        if (pixels instanceof Uint8Array) {
          await images.write(pairs.length, pixels);
          pairs.push(pair);
        } else if (data.bad === "fail") throw new SightlineError("bad-input", `finetune: pair ${pair.id}: ${pixels.message}; mend or remove it, or set data.bad to "skip"`, { cause: pixels });
        else bad.push({ id: pair.id, reason: pixels.message });
      }
    }
    if (pairs.length === 0) throw new SightlineError("bad-input", `finetune: none of the ${all.length} images can be read: ${bad[0]?.id}: ${bad[0]?.reason}`);
    return { pairs, images, bad };
  } catch (error) {
    await images[Symbol.asyncDispose]();
    throw error;
  }
}
