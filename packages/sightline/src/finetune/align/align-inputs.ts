import { shapeOfConversations, type BadPair, type ConversationBatch, type ConversationSizes, type RowSource } from "@sightline/contrastive";
import type { SessionOptions } from "@sightline/graph";
import { decodeImage, type DecodedImage, type Size } from "@sightline/vision-tower";
import { partsOf, type ImagePart } from "../../chat/messages.js";
import type { PicturePlan } from "../../image-model.js";
import { SightlineError } from "../../sightline-error.js";
import type { AlignModel } from "./align-model.js";
import type { AlignConfig } from "./align-settings.js";
import { conversationSequences, cutSequence, type ConversationSequence } from "./conversation-places.js";
import type { TrainingConversation } from "./conversation-rows.js";
import { pixelSource, pixelsPerView, ViewEncoder, viewPixels, type ViewFeatures } from "./shown-views.js";

/** One sequence to learn from, and which views of the data it shows. */
export interface AlignSample extends ConversationSequence {
  readonly id: string;
  readonly views: readonly number[];
}

/** A view of a picture of the data. */
interface DataView {
  readonly image: ImagePart["image"];
  readonly plan: PicturePlan;
  /** Which of the plan's views. */
  readonly at: number;
}

export interface AlignInputsOptions {
  readonly config: AlignConfig;
  readonly session: SessionOptions;
  /** Whether the tower's patch tokens are computed once and kept. */
  readonly keepFeatures: boolean;
  readonly onFeatures: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

const keepBytes = 512 * 2 ** 20;
const decodedAtOnce = 4;
const defaultMaxTokens = 2048;

/** Conversations as steps take them: read by the decoder's tokenizer, their pictures looked at once. */
export class AlignInputs implements AsyncDisposable {
  readonly samples: readonly AlignSample[];
  /** Conversations that had to go: a picture cannot be read, the template cannot lay it out. */
  readonly bad: readonly BadPair[];
  /** Conversations that were cut at their end. */
  readonly cut: number;
  readonly #model: AlignModel;
  readonly #views: readonly DataView[];
  readonly #features: ViewFeatures | undefined;

  private constructor(model: AlignModel, { samples, views, bad, cut }: Laid, features: ViewFeatures | undefined) {
    this.#model = model;
    this.samples = samples;
    this.bad = bad;
    this.cut = cut;
    this.#views = views;
    this.#features = features;
  }

  /** @throws SightlineError `bad-input` when nothing is left, or, where the configuration says so, for the first bad one */
  static async open(model: AlignModel, all: readonly TrainingConversation[], options: AlignInputsOptions): Promise<AlignInputs> {
    const laid = await layOutAll(model, all, options);
    return new AlignInputs(model, laid, options.keepFeatures ? await featuresOf(model, laid.views, options) : undefined);
  }

  /** What a graph for any `conversations` of these at a time holds. */
  sizes(conversations: number): ConversationSizes {
    const views = this.samples.reduce((most, sample) => Math.max(most, sample.views.length), 1);
    return { ...shapeOfConversations(this.samples, conversations), views: conversations * views };
  }

  /**
   * Samples with their pictures; these are decoded here where no features are kept.
   * @throws ImageError when a picture that could be read before no longer can
   */
  async batch(samples: readonly AlignSample[], signal?: AbortSignal): Promise<Omit<ConversationBatch, "step">> {
    const views = samples.flatMap((sample) => sample.views);
    const images = this.#features?.source(views) ?? (await this.#pixels(views, signal));
    return { conversations: samples, views: samples.map((sample) => sample.views.length), images };
  }

  /** All samples in order; their pictures are decoded as they are wanted. */
  everything(signal?: AbortSignal): Omit<ConversationBatch, "step"> {
    const views = this.samples.flatMap((sample) => sample.views);
    const decoded: RowSource = { count: views.length, rows: async (from, to) => (await this.#pixels(views.slice(from, to), signal)).rows(0, to - from) };
    return { conversations: this.samples, views: this.samples.map((sample) => sample.views.length), images: this.#features?.source(views) ?? decoded };
  }

  async #pixels(views: readonly number[], signal: AbortSignal | undefined): Promise<RowSource> {
    const size = pixelsPerView(this.#model);
    const decoded = new Map<PicturePlan, Promise<Float32Array>>();
    const rows = await Promise.all(views.map(async (view) => {
      const { image, plan, at } = this.#views[view] as DataView;
      const pixels = decoded.get(plan) ?? decodeImage(image, signal ? { signal } : {}).then((picture) => viewPixels(this.#model, picture, plan));
      decoded.set(plan, pixels);
      return (await pixels).subarray(at * size, (at + 1) * size);
    }));
    return pixelSource(this.#model, rows);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#features?.[Symbol.asyncDispose]();
  }
}

interface Laid {
  readonly samples: readonly AlignSample[];
  readonly views: readonly DataView[];
  readonly bad: readonly BadPair[];
  readonly cut: number;
}

async function layOutAll(model: AlignModel, all: readonly TrainingConversation[], { config, signal }: AlignInputsOptions): Promise<Laid> {
  const { data } = config;
  const maxTokens = data.maxTokens ?? Math.min(defaultMaxTokens, model.contextLength ?? defaultMaxTokens);
  const places = { chat: model.chat, images: model.images, rowsPerView: model.projector.tokens(model.tower.trainedGrid) };
  const views = new DataViews();
  const samples: AlignSample[] = [];
  const bad: BadPair[] = [];
  let cut = 0;
  const sizes = new PictureSizes();
  const leaveOut = (id: string, reason: string, cause?: unknown): void => {
    if (data.bad === "fail") throw new SightlineError("bad-input", `finetune: conversation ${id}: ${reason}; mend or remove it, or set data.bad to "skip"`, { cause });
    bad.push({ id, reason });
  };
  for (let from = 0; from < all.length; from += decodedAtOnce) {
    const group = all.slice(from, from + decodedAtOnce);
    signal?.throwIfAborted();
    const seen = await Promise.all(group.map(({ messages }) => sizes.of(messages.flatMap((message) => partsOf(message).filter((part) => part.type === "image")), signal).catch((error: unknown) => error as Error)));
    for (const [i, { id, messages }] of group.entries()) {
      const known = seen[i] as ReadonlyMap<ImagePart, Size> | Error;
      if (known instanceof Error) {
        signal?.throwIfAborted();
        leaveOut(id, known.message, known);
        continue;
      }
      let sequences: readonly ConversationSequence[];
      try {
        sequences = conversationSequences(messages, places, known);
      } catch (error) {
        if (!(error instanceof SightlineError) || error.code === "bad-input") throw error;
        leaveOut(id, error.message, error);
        continue;
      }
      for (const whole of sequences) {
        const sequence = data.longConversations === "cut" ? cutSequence(whole, maxTokens) : whole.places.length <= maxTokens ? whole : undefined;
        if (sequence !== whole && data.longConversations === "fail") throw new SightlineError("bad-input", `finetune: conversation ${id}: expected at most ${maxTokens} places, got ${whole.places.length}; shorten it, raise data.maxTokens, or set data.longConversations to "cut" or "skip"`);
        if (!sequence) leaveOut(id, `longer than ${maxTokens} places`);
        else samples.push({ id, ...sequence, views: sequence.pictures.flatMap(({ part, plan }) => views.of(part.image, plan)) });
        if (sequence && sequence !== whole) cut++;
      }
    }
  }
  if (samples.length === 0) throw new SightlineError("bad-input", `finetune: none of the ${all.length} conversations can be learnt from: ${bad[0]?.id}: ${bad[0]?.reason}`);
  return { samples, views: views.all, bad, cut };
}

/** The sizes of pictures, each file decoded once, which shows that it can be. */
class PictureSizes {
  readonly #files = new Map<ImagePart["image"], Promise<Size>>();

  async of(parts: readonly ImagePart[], signal: AbortSignal | undefined): Promise<ReadonlyMap<ImagePart, Size>> {
    return new Map(await Promise.all(parts.map(async (part): Promise<[ImagePart, Size]> => [part, await this.#of(part.image, signal)])));
  }

  #of(image: ImagePart["image"], signal: AbortSignal | undefined): Promise<Size> {
    const known = this.#files.get(image);
    if (known) return known;
    const size = decodeImage(image, signal ? { signal } : {}).then(({ width, height }) => ({ width, height }));
    // Whoever asked awaits it; until then a failure must not count as unhandled.
    size.catch(() => undefined);
    this.#files.set(image, size);
    return size;
  }
}

/** The views of a data set, those of the same file shown the same way once. */
class DataViews {
  readonly all: DataView[] = [];
  readonly #known = new Map<ImagePart["image"], Map<string, readonly number[]>>();

  of(image: ImagePart["image"], plan: PicturePlan): readonly number[] {
    const ofImage = this.#known.get(image) ?? new Map<string, readonly number[]>();
    this.#known.set(image, ofImage);
    const key = JSON.stringify(plan.views);
    const numbers = ofImage.get(key) ?? plan.views.map((_, at) => this.all.push({ image, plan, at }) - 1);
    ofImage.set(key, numbers);
    return numbers;
  }
}

async function featuresOf(model: AlignModel, views: readonly DataView[], { session, onFeatures, signal }: AlignInputsOptions): Promise<ViewFeatures> {
  const encoder = await ViewEncoder.open(model, views.length, keepBytes, session);
  try {
    // A picture's views follow one another.
    const pictures = views.filter(({ at }) => at === 0);
    let done = 0;
    for (let from = 0; from < pictures.length; from += decodedAtOnce) {
      signal?.throwIfAborted();
      const group = pictures.slice(from, from + decodedAtOnce);
      const decoded = await Promise.all(group.map(({ image }): Promise<DecodedImage> => decodeImage(image, signal ? { signal } : {})));
      for (const [i, picture] of decoded.entries()) await encoder.add(viewPixels(model, picture, (group[i] as DataView).plan));
      done += group.reduce((sum, { plan }) => sum + plan.views.length, 0);
      onFeatures(done, views.length);
    }
    return await encoder.done();
  } catch (error) {
    await encoder[Symbol.asyncDispose]();
    throw error;
  }
}
