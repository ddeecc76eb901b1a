import path from "node:path";
import { openSession, type Device, type Graph, type Session, type SessionOptions, type TensorValue } from "@sightline/graph";
import { openWeights, WeightsError, type WeightSource } from "@sightline/weights";
import { ConfigError } from "./config/config-error.js";
import { loadSiglipConfig } from "./config/load-siglip-config.js";
import type { SiglipConfig } from "./config/siglip-config.js";
import { cosineLogits } from "./cosine-logits.js";
import { LabelEmbeddings } from "./label-embeddings.js";
import { patchCount } from "./models/siglip-vision.js";
import { decodeImage, type DecodedImage } from "./pixels/decode-image.js";
import type { ImageSource } from "./pixels/image-source.js";
import { preprocess, type Preprocessing } from "./pixels/preprocess.js";
import { siglipTextGraph, siglipVisionGraph } from "./siglip-graphs.js";
import { labelPhrases, rankTags, thresholdOf, type TagOptions, type TagResult } from "./tag.js";
import { loadTextTokenizer, type TextTokenizer, type TokenBatch } from "./text/load-text-tokenizer.js";

export type SiglipTower = "vision" | "text";

export interface LoadSiglipOptions {
  /** The CPU when left out. */
  readonly device?: Device;
  /** Threads of one operation; all cores when left out. */
  readonly threads?: number;
  /** Which towers the checkpoint must have and may be asked for; both when left out. */
  readonly towers?: readonly SiglipTower[];
  readonly signal?: AbortSignal;
}

export interface EncodeOptions {
  /** Stops before the next few images or texts; a run of the tower itself is not interrupted. */
  readonly signal?: AbortSignal | undefined;
}

export interface ImageEmbeddings {
  /** float32[B, P, D] */
  readonly patchTokens: Float32Array;
  /** float32[B, D], as the tower gives it; normalise before taking a cosine. */
  readonly pooled: Float32Array;
  /** B */
  readonly batch: number;
  /** P */
  readonly patches: number;
  /** D */
  readonly width: number;
}

/** What every method throws once the model is disposed. */
export class SiglipDisposedError extends Error {
  override readonly name: string = "SiglipDisposedError";
}

interface Parts {
  readonly directory: string;
  readonly config: SiglipConfig;
  readonly preprocessing: Preprocessing;
  readonly source: WeightSource;
  readonly graphs: Readonly<Partial<Record<SiglipTower, Graph>>>;
  readonly session: SessionOptions;
  readonly logitScale: number | undefined;
  readonly logitBias: number | undefined;
}

// Enough rows for a matrix product to run at full speed, few enough that activations stay small beside the weights.
const imagesPerRun = 8;
const textsPerRun = 64;
const labelsKept = 4096;

/** A SigLIP model: images and texts into one space. Each tower opens at its first use; calls may overlap. */
export class Siglip implements AsyncDisposable {
  readonly config: SiglipConfig;
  /** t = exp(t'), which multiplies cosines; a checkpoint of one tower may lack it. */
  readonly logitScale: number | undefined;
  /** b, which is added to them. */
  readonly logitBias: number | undefined;
  readonly #parts: Parts;
  readonly #labels = new LabelEmbeddings((texts, options) => this.#encodeTexts(texts, options), labelsKept);
  readonly #sessions = new Map<SiglipTower, Promise<Session>>();
  readonly #working = new Set<Promise<unknown>>();
  #tokenizer: Promise<TextTokenizer> | undefined;
  #disposed: Promise<void> | undefined;

  /** @internal Use `loadSiglip`. */
  constructor(parts: Parts) {
    this.#parts = parts;
    this.config = parts.config;
    this.logitScale = parts.logitScale;
    this.logitBias = parts.logitBias;
  }

  /**
   * Patch tokens and pooled embeddings of images, in their order, a few at a time.
   * @throws ImageError for an image that cannot be read, SiglipDisposedError
   */
  encodeImages(images: readonly (ImageSource | DecodedImage)[], options: EncodeOptions = {}): Promise<ImageEmbeddings> {
    return this.#work("encodeImages", () => this.#encodeImages(images, options));
  }

  /**
   * Text embeddings, float32[B, D], as the tower gives them; every text is padded to the model's length.
   * @throws ConfigError when the tokenizer cannot be loaded, SiglipDisposedError
   */
  encodeTexts(texts: readonly string[], options: EncodeOptions = {}): Promise<Float32Array> {
    return this.#work("encodeTexts", () => this.#encodeTexts(texts, options));
  }

  /** As `encodeTexts`, for texts that are tokens already: int64[B, T], padded to T. */
  encodeTokens(tokens: TokenBatch): Promise<Float32Array> {
    return this.#work("encodeTokens", () => this.#encodeTokens(tokens));
  }

  /**
   * t · cos(x_i, y_j) + b for every image and text: float32[images, texts]. A sigmoid of it is the probability that the
   * text is true of the image (Zhai et al. 2023).
   * @param imageEmbeddings float32[images, D]
   * @param textEmbeddings float32[texts, D]
   */
  logits(imageEmbeddings: Float32Array, textEmbeddings: Float32Array): Float32Array {
    const { logitScale: scale, logitBias: bias } = this;
    if (scale === undefined || bias === undefined) {
      throw new WeightsError(`Siglip.logits: ${this.#parts.source.path} has no "logit_scale" and "logit_bias"; load a checkpoint of both towers`);
    }
    return cosineLogits(imageEmbeddings, textEmbeddings, this.config.vision.width, { scale, bias });
  }

  /**
   * Which labels are true of an image: each has a probability of its own, and none may hold. Blank labels are left out,
   * repeated ones count once. Embeddings of labels are kept for the next image.
   * @throws RangeError for a threshold that is no probability or a template without {label}
   */
  tag(image: ImageSource | DecodedImage, labels: readonly string[], options: TagOptions = {}): Promise<TagResult> {
    return this.#work("tag", async () => {
      const { labels: distinct, phrases } = labelPhrases(labels, options.template);
      const threshold = thresholdOf(options);
      const { pooled, width } = await this.#encodeImages([image], options);
      const texts = await this.#labels.of(phrases, width, options);
      return rankTags(distinct, this.logits(pooled, texts), threshold);
    });
  }

  /** Waits for work under way, then frees both towers. A second call waits for the same end. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= Promise.allSettled(this.#working).then(async () => {
      const sessions = await Promise.allSettled(this.#sessions.values());
      for (const session of sessions) if (session.status === "fulfilled") await session.value[Symbol.asyncDispose]();
      await this.#parts.source.close();
    });
    return this.#disposed;
  }

  /** Runs a public call, which dispose will wait for. */
  async #work<T>(caller: string, task: () => Promise<T>): Promise<T> {
    if (this.#disposed) throw new SiglipDisposedError(`Siglip.${caller}: the model is disposed`);
    const work = task();
    this.#working.add(work);
    try {
      return await work;
    } finally {
      this.#working.delete(work);
    }
  }

  async #encodeImages(images: readonly (ImageSource | DecodedImage)[], { signal }: EncodeOptions): Promise<ImageEmbeddings> {
    const { width } = this.config.vision;
    const patches = patchCount(this.config.vision);
    const patchTokens = new Float32Array(images.length * patches * width);
    const pooled = new Float32Array(images.length * width);
    for (let at = 0; at < images.length; at += imagesPerRun) {
      const decoded = await Promise.all(images.slice(at, at + imagesPerRun).map((image) => (isDecoded(image) ? image : decodeImage(image, { signal }))));
      const session = await this.#open("vision");
      signal?.throwIfAborted();
      const { data, shape } = preprocess(decoded, this.#parts.preprocessing);
      const result = await session.run({ pixels: { dtype: "float32", shape, data } });
      patchTokens.set(floats(result["patchTokens"]), at * patches * width);
      pooled.set(floats(result["pooled"]), at * width);
    }
    return { patchTokens, pooled, batch: images.length, patches, width };
  }

  async #encodeTexts(texts: readonly string[], { signal }: EncodeOptions): Promise<Float32Array> {
    const { projectionWidth } = this.config.text;
    const tokenizer = await this.#loadTokenizer();
    const embeddings = new Float32Array(texts.length * projectionWidth);
    for (let at = 0; at < texts.length; at += textsPerRun) {
      signal?.throwIfAborted();
      embeddings.set(await this.#encodeTokens(tokenizer.encode(texts.slice(at, at + textsPerRun))), at * projectionWidth);
    }
    return embeddings;
  }

  async #encodeTokens({ ids, shape }: TokenBatch): Promise<Float32Array> {
    if (shape[0] === 0) return new Float32Array(0);
    const session = await this.#open("text");
    const { embeddings } = await session.run({ tokens: { dtype: "int64", shape, data: ids } });
    return floats(embeddings);
  }

  #loadTokenizer(): Promise<TextTokenizer> {
    if (!this.#tokenizer) {
      const { maxTokens, vocabularySize } = this.config.text;
      this.#tokenizer = loadTextTokenizer(this.#parts.directory, { maxTokens, vocabularySize });
      this.#tokenizer.catch(() => (this.#tokenizer = undefined));
    }
    return this.#tokenizer;
  }

  #open(tower: SiglipTower): Promise<Session> {
    const graph = this.#parts.graphs[tower];
    if (!graph) throw new WeightsError(`Siglip: ${this.#parts.directory} was loaded without its ${tower} tower; name it in loadSiglip's towers`);
    let session = this.#sessions.get(tower);
    if (!session) {
      session = openSession(graph, this.#parts.session);
      this.#sessions.set(tower, session);
      // A disk that was full may have room at the next call.
      session.catch(() => this.#sessions.delete(tower));
    }
    return session;
  }
}

/**
 * Loads a SigLIP checkpoint from a Hugging Face directory: config.json, preprocessor_config.json, tokenizer.json and
 * safetensors (SigLIP, and SigLIP 2 of one fixed resolution). Weights are checked here and read when a tower is first
 * used.
 * @throws ConfigError naming the file and the field; WeightsError naming the tensor, its expected and its actual shape
 */
export async function loadSiglip(directory: string, options: LoadSiglipOptions = {}): Promise<Siglip> {
  const { device = "cpu", threads, towers = ["vision", "text"], signal } = options;
  const { config, preprocessing } = await loadSiglipConfig(directory, signal ? { signal } : {});
  if (towers.includes("vision") && !config.poolingHead) {
    throw new ConfigError("loadSiglip", path.join(directory, "config.json"), "vision_use_head: expected true, got false; without its head the tower has no embedding to compare with texts");
  }
  const source = await openWeights(directory);
  try {
    const graphs = {
      ...(towers.includes("vision") ? { vision: siglipVisionGraph(config.vision, source) } : {}),
      ...(towers.includes("text") ? { text: siglipTextGraph(config.text, source) } : {}),
    };
    const bothTowers = towers.includes("vision") && towers.includes("text");
    const logScale = await readScalar(source, "logit_scale", bothTowers);
    const logitBias = await readScalar(source, "logit_bias", bothTowers);
    signal?.throwIfAborted();
    return new Siglip({
      directory,
      config,
      preprocessing,
      source,
      graphs,
      session: { device, ...(threads === undefined ? {} : { threads }) },
      logitScale: logScale === undefined ? undefined : Math.exp(logScale),
      logitBias,
    });
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function readScalar(source: WeightSource, name: string, required: boolean): Promise<number | undefined> {
  if (!required && !source.tensors.has(name)) return undefined;
  const values = await source.readFloat32(name);
  if (values.length !== 1) throw new WeightsError(`${source.path}: "${name}": expected one value, got ${values.length}`);
  return values[0];
}

function isDecoded(image: ImageSource | DecodedImage): image is DecodedImage {
  return typeof image === "object" && "data" in image && "width" in image;
}

function floats(value: TensorValue | undefined): Float32Array {
  return value?.data as Float32Array;
}
