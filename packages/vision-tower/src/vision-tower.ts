import type { Placement, Session, SessionOptions, TensorValue } from "@sightline/graph";
import { WeightsError } from "@sightline/weights";
import type { Checkpoint, PatchGrid, TextPart, TowerName, VisionPart } from "./checkpoint.js";
import { cosineLogits } from "./cosine-logits.js";
import { EmbeddingRows } from "./embedding-rows.js";
import { ImageQueue, type ImageQueueLimits } from "./image-queue.js";
import { imageStages, type TowerOutput } from "./image-stages.js";
import type { DecodedImage } from "./pixels/decode-image.js";
import type { ImageSource } from "./pixels/image-source.js";
import type { OpenedTower } from "./precision/open-int8.js";
import { openVision } from "./precision/open-vision.js";
import type { Precision, PrecisionReport } from "./precision/precision.js";
import type { TextTokenizer, TokenBatch } from "./text/load-text-tokenizer.js";

/** Settings of one call of a tower. */
export interface EncodeOptions {
  /** Rejects and drops what has not been run; a run of the tower itself is not interrupted. */
  readonly signal?: AbortSignal | undefined;
}

/** What a vision tower gives for B images. */
export interface ImageEmbeddings {
  /** float32[B, P, D] */
  readonly patchTokens: Float32Array;
  /** float32[B, pooledWidth], as the tower gives it; normalise before taking a cosine. Empty for an mmproj GGUF, which has no pooling head. */
  readonly pooled: Float32Array;
  /** B */
  readonly batch: number;
  /** P; 0 for an ONNX file of both towers in one, which gives no patch tokens. */
  readonly patches: number;
  /** D */
  readonly width: number;
  /** The width of `pooled`, which is D where the tower has no projection. */
  readonly pooledWidth: number;
  /** How each image's patches lie; patch tokens beyond a grid's rows · columns are padding. */
  readonly grids: readonly PatchGrid[];
}

export interface TowerOptions {
  readonly session: SessionOptions;
  /** Of the vision tower; texts, whose embeddings are kept, are always in float32. */
  readonly precision: Precision;
  /** Of the queue in which images wait for the vision tower. */
  readonly batch: ImageQueueLimits;
}

/** What every method throws once the model is disposed. */
export class TowerDisposedError extends Error {
  override readonly name: string = "TowerDisposedError";
}

const textsPerRun = 64;

const greyImage: DecodedImage = { width: 64, height: 64, data: new Uint8Array(3 * 64 * 64).fill(128) };

/**
 * A vision tower, with its text tower where it has one: images and texts into one space. Each tower opens at its first
 * use; calls may overlap.
 */
export class VisionTower implements AsyncDisposable {
  /** t = exp(t'), which multiplies cosines; a checkpoint of one tower may lack it. */
  readonly logitScale: number | undefined;
  /** b, which is added to them. */
  readonly logitBias: number | undefined;
  /** D, the width of a patch token; undefined without a vision tower. */
  readonly width: number | undefined;
  readonly #checkpoint: Checkpoint;
  readonly #options: TowerOptions;
  #vision: Promise<OpenedTower> | undefined;
  #text: Promise<Session> | undefined;
  #patchHead: Promise<Session> | undefined;
  readonly #working = new Set<Promise<unknown>>();
  readonly #images: ImageQueue<ImageSource | DecodedImage, DecodedImage, TowerOutput> | undefined;
  #tokenizer: Promise<TextTokenizer> | undefined;
  #disposed: Promise<void> | undefined;

  /** @internal Use `loadVisionTower` or `loadSiglip`. */
  constructor(checkpoint: Checkpoint, options: TowerOptions) {
    this.#checkpoint = checkpoint;
    this.#options = options;
    const { vision } = checkpoint;
    this.#images = vision && new ImageQueue(imageStages(vision, async () => (await this.#openVision(vision)).session), options.batch);
    this.logitScale = checkpoint.logitScale;
    this.logitBias = checkpoint.logitBias;
    this.width = vision?.width;
  }

  /**
   * Patch tokens and pooled embeddings of images, in their order. Calls that overlap share runs of the tower, and
   * images are decoded while it runs.
   * @throws ImageError for an image that cannot be read, TowerDisposedError
   */
  encodeImages(images: readonly (ImageSource | DecodedImage)[], options: EncodeOptions = {}): Promise<ImageEmbeddings> {
    return this.work("encodeImages", () => this.imageEmbeddings(images, options));
  }

  /**
   * Text embeddings, float32[B, pooledWidth], as the tower gives them; every text is padded to the model's length.
   * @throws ConfigError when the tokenizer cannot be loaded, TowerDisposedError
   */
  encodeTexts(texts: readonly string[], options: EncodeOptions = {}): Promise<Float32Array> {
    return this.work("encodeTexts", () => this.textEmbeddings(texts, options));
  }

  /** How many tokens the text tower reads of texts, together: each is cut to the model's length, end token included; padding does not count. */
  countTokens(texts: readonly string[]): Promise<number> {
    return this.work("countTokens", async () => {
      const { encode, padId, eosId } = await this.#loadTokenizer();
      const { ids, shape } = encode(texts);
      const inside = ids.reduce((count, id) => count + (id === BigInt(padId) ? 0 : 1), 0);
      // SigLIP pads with its end token: one in each row is the text's own.
      return padId === eosId ? inside + shape[0] : inside;
    });
  }

  /** As `encodeTexts`, for texts that are tokens already: int64[B, T], padded to T. */
  encodeTokens(tokens: Pick<TokenBatch, "ids" | "shape">): Promise<Float32Array> {
    return this.work("encodeTokens", () => this.#encodeTokens(tokens));
  }

  /** What the asked precision came to; opens the vision tower. */
  precision(): Promise<PrecisionReport> {
    return this.work("precision", async () => (await this.#openVision(this.#visionPart())).report);
  }

  /**
   * Where the nodes of the vision tower run: on the device that was asked for, or on the CPU where that lacks them.
   * Counted over one image in a session of its own, so that other calls pay nothing for it.
   */
  placement(): Promise<Placement> {
    return this.work("placement", async () => {
      const vision = this.#visionPart();
      const { report } = await this.#openVision(vision);
      const { session } = await openVision(vision, report.precision, { ...this.#options.session, placement: true });
      try {
        await session.run(vision.prepare([greyImage]).feeds);
        return await session.placement();
      } finally {
        await session[Symbol.asyncDispose]();
      }
    });
  }

  /**
   * t · cos(x_i, y_j) + b for every image and text: float32[images, texts]. For SigLIP a sigmoid of it is the
   * probability that the text is true of the image (Zhai et al. 2023); for CLIP, where b is 0, a softmax over texts
   * says which of them fits best.
   * @param imageEmbeddings float32[images, pooledWidth]
   * @param textEmbeddings float32[texts, pooledWidth]
   */
  logits(imageEmbeddings: Float32Array, textEmbeddings: Float32Array): Float32Array {
    const { scale, bias, width } = this.logitScaling();
    return cosineLogits(imageEmbeddings, textEmbeddings, width, { scale, bias });
  }

  /** What turns cosines into logits, and the width that images and texts share. */
  protected logitScaling(): { readonly scale: number; readonly bias: number; readonly width: number } {
    const { logitScale: scale, logitBias: bias } = this;
    if (scale === undefined || bias === undefined) {
      throw new WeightsError(`${this.constructor.name}.logits: ${this.#checkpoint.path} has no "logit_scale" and "logit_bias"; load a checkpoint of both towers, or give logitScale and logitBias when it is loaded`);
    }
    return { scale, bias, width: this.#textPart().width };
  }

  /** Waits for work under way, then frees both towers. A second call waits for the same end. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= Promise.allSettled(this.#working).then(async () => {
      await this.#images?.idle();
      const opened = await Promise.allSettled([this.#vision?.then(({ session }) => session), this.#text, this.#patchHead]);
      for (const session of opened) if (session.status === "fulfilled") await session.value?.[Symbol.asyncDispose]();
      await this.#checkpoint.close();
    });
    return this.#disposed;
  }

  /** Runs a public call, which dispose will wait for. */
  protected async work<T>(caller: string, task: () => Promise<T>): Promise<T> {
    if (this.#disposed) throw new TowerDisposedError(`${this.constructor.name}.${caller}: the model is disposed`);
    const work = task();
    this.#working.add(work);
    try {
      return await work;
    } finally {
      this.#working.delete(work);
    }
  }

  /** `encodeImages` inside another call, which dispose waits for already. */
  protected async imageEmbeddings(images: readonly (ImageSource | DecodedImage)[], { signal }: EncodeOptions): Promise<ImageEmbeddings> {
    const { vision } = this.#checkpoint;
    if (!vision || !this.#images) return this.#missing("vision");
    const rows = new EmbeddingRows(images.length, vision);
    await this.#images.submit(images, rows.deliver, signal);
    return rows.finish();
  }

  /**
   * Patch tokens in the space of texts, each on its own: float32[B, P, pooledWidth].
   * @throws WeightsError when the family has none
   */
  protected async patchEmbeddings({ patchTokens, batch, patches, width }: ImageEmbeddings): Promise<Float32Array> {
    const { openPatchEmbeddings } = this.#visionPart();
    if (!openPatchEmbeddings) {
      throw new WeightsError(`${this.constructor.name}: ${this.#checkpoint.path} is of a family whose patches cannot be compared with texts; take a SigLIP checkpoint`);
    }
    if (!this.#patchHead) {
      this.#patchHead = openPatchEmbeddings(this.#options.session);
      this.#patchHead.catch(() => (this.#patchHead = undefined));
    }
    const session = await this.#patchHead;
    const result = await session.run({ patchTokens: { dtype: "float32", shape: [batch * patches, width], data: patchTokens } });
    return floats(result["patchEmbeddings"]);
  }

  /** `encodeTexts` likewise. */
  protected async textEmbeddings(texts: readonly string[], { signal }: EncodeOptions): Promise<Float32Array> {
    const { width } = this.#textPart();
    const tokenizer = await this.#loadTokenizer();
    const embeddings = new Float32Array(texts.length * width);
    for (let at = 0; at < texts.length; at += textsPerRun) {
      signal?.throwIfAborted();
      embeddings.set(await this.#encodeTokens(tokenizer.encode(texts.slice(at, at + textsPerRun))), at * width);
    }
    return embeddings;
  }

  async #encodeTokens({ ids, shape }: Pick<TokenBatch, "ids" | "shape">): Promise<Float32Array> {
    if (shape[0] === 0) return new Float32Array(0);
    const session = await this.#openText(this.#textPart());
    const { embeddings } = await session.run({ tokens: { dtype: "int64", shape, data: ids } });
    return floats(embeddings);
  }

  #loadTokenizer(): Promise<TextTokenizer> {
    if (!this.#tokenizer) {
      this.#tokenizer = this.#textPart().loadTokenizer();
      this.#tokenizer.catch(() => (this.#tokenizer = undefined));
    }
    return this.#tokenizer;
  }

  #visionPart(): VisionPart {
    return this.#checkpoint.vision ?? this.#missing("vision");
  }

  #textPart(): TextPart {
    return this.#checkpoint.text ?? this.#missing("text");
  }

  #missing(tower: TowerName): never {
    throw new WeightsError(`${this.constructor.name}: ${this.#checkpoint.path} was loaded without its ${tower} tower; name it in the towers that are loaded, or take a checkpoint that has one`);
  }

  #openVision(vision: VisionPart): Promise<OpenedTower> {
    if (!this.#vision) {
      this.#vision = openVision(vision, this.#options.precision, this.#options.session);
      // A disk that was full may have room at the next call.
      this.#vision.catch(() => (this.#vision = undefined));
    }
    return this.#vision;
  }

  #openText(text: TextPart): Promise<Session> {
    if (!this.#text) {
      this.#text = text.open(this.#options.session);
      this.#text.catch(() => (this.#text = undefined));
    }
    return this.#text;
  }
}

function floats(value: TensorValue | undefined): Float32Array {
  return value?.data as Float32Array;
}
