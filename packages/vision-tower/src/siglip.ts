import { Graph, openSession, type Device, type Session, type TensorValue } from "@sightline/graph";
import { openWeights, WeightsError, type WeightSource } from "@sightline/weights";
import { loadSiglipConfig } from "./config/load-siglip-config.js";
import type { SiglipConfig } from "./config/siglip-config.js";
import { siglipTextEmbedding } from "./models/siglip-text.js";
import { patchCount, patchesOf, siglipPatchTokens, siglipPooledEmbedding } from "./models/siglip-vision.js";
import { decodeImage } from "./pixels/decode-image.js";
import type { ImageSource } from "./pixels/image-source.js";
import { preprocess, type Preprocessing } from "./pixels/preprocess.js";
import { rankTags, type TagOptions, type TagResult } from "./tag.js";
import { loadTextTokenizer, type TextTokenizer } from "./text/load-text-tokenizer.js";
import { weightParameters } from "./weights/weight-parameters.js";

export interface LoadSiglipOptions {
  readonly device?: Device;
  readonly threads?: number;
  readonly signal?: AbortSignal;
}

export interface ImageEmbeddings {
  /** float32[B, P, D] */
  readonly patchTokens: Float32Array;
  /** float32[B, D], as the tower gives it; normalise before taking a cosine. */
  readonly pooled: Float32Array;
  readonly batch: number;
  readonly patches: number;
  readonly width: number;
}

/** What every method throws once the model is disposed. */
export class SiglipDisposedError extends Error {
  override readonly name: string = "SiglipDisposedError";
}

interface Parts {
  readonly config: SiglipConfig;
  readonly preprocessing: Preprocessing;
  readonly source: WeightSource;
  readonly tokenizer: () => Promise<TextTokenizer>;
  readonly options: LoadSiglipOptions;
  readonly logitScale: number;
  readonly logitBias: number;
}

/** A SigLIP model: images and texts into one space. Each tower opens at its first use. */
export class Siglip implements AsyncDisposable {
  readonly config: SiglipConfig;
  /** t = exp(t'), which multiplies cosines. */
  readonly logitScale: number;
  /** b, which is added to them. */
  readonly logitBias: number;
  readonly #parts: Parts;
  readonly #labels = new Map<string, Float32Array>();
  #vision: Promise<Session> | undefined;
  #text: Promise<Session> | undefined;
  #disposed = false;

  /** @internal Use `loadSiglip`. */
  constructor(parts: Parts) {
    this.#parts = parts;
    this.config = parts.config;
    this.logitScale = parts.logitScale;
    this.logitBias = parts.logitBias;
  }

  /**
   * Patch tokens and pooled embeddings of images, in their order.
   * @throws ImageError for an image that cannot be read, SiglipDisposedError
   */
  async encodeImages(images: readonly ImageSource[], options: { readonly signal?: AbortSignal } = {}): Promise<ImageEmbeddings> {
    const session = await this.#open("vision");
    const { vision } = this.config;
    const patches = patchCount(vision);
    if (images.length === 0) return { patchTokens: new Float32Array(0), pooled: new Float32Array(0), batch: 0, patches, width: vision.width };
    const decoded = await Promise.all(images.map((image) => decodeImage(image, options)));
    options.signal?.throwIfAborted();
    const { data, shape } = preprocess(decoded, this.#parts.preprocessing);
    const { patchTokens, pooled } = await session.run({ pixels: { dtype: "float32", shape, data } });
    return { patchTokens: floats(patchTokens), pooled: floats(pooled), batch: images.length, patches, width: vision.width };
  }

  /** Text embeddings, float32[B, D], as the tower gives them; every text is padded to the model's length. */
  async encodeTexts(texts: readonly string[]): Promise<Float32Array> {
    const session = await this.#open("text");
    if (texts.length === 0) return new Float32Array(0);
    const { ids, shape } = (await this.#parts.tokenizer()).encode(texts);
    return floats((await session.run({ tokens: { dtype: "int64", shape, data: ids } }))["embeddings"]);
  }

  /**
   * t · cos(x_i, y_j) + b for every image and text: float32[images, texts]. A sigmoid of it is the probability that the
   * text is true of the image (Zhai et al. 2023).
   */
  logits(imageEmbeddings: Float32Array, textEmbeddings: Float32Array): Float32Array {
    const { width } = this.config.vision;
    const images = imageEmbeddings.length / width;
    const texts = textEmbeddings.length / width;
    const x = normalized(imageEmbeddings, width);
    const y = normalized(textEmbeddings, width);
    const logits = new Float32Array(images * texts);
    for (let i = 0; i < images; i++) {
      for (let j = 0; j < texts; j++) {
        let cosine = 0;
        for (let d = 0; d < width; d++) cosine += (x[i * width + d] as number) * (y[j * width + d] as number);
        logits[i * texts + j] = this.logitScale * cosine + this.logitBias;
      }
    }
    return logits;
  }

  /**
   * Which labels are true of an image: each has a probability of its own, and none may hold. Embeddings of labels are
   * kept for the next image.
   */
  async tag(image: ImageSource, labels: readonly string[], options: TagOptions = {}): Promise<TagResult> {
    const { template = "a photo of a {label}" } = options;
    const unique = [...new Set(labels)];
    const phrases = unique.map((label) => template.replaceAll("{label}", label));
    await this.#embedLabels(phrases);
    const { pooled } = await this.encodeImages([image], options);
    const { width } = this.config.vision;
    const texts = new Float32Array(unique.length * width);
    phrases.forEach((phrase, i) => texts.set(this.#labels.get(phrase) as Float32Array, i * width));
    return rankTags(unique, this.logits(pooled, texts), options.threshold ?? 0.5);
  }

  /** Waits for work under way, then frees both towers. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const opening of [this.#vision, this.#text]) await (await opening?.catch(() => undefined))?.[Symbol.asyncDispose]();
    await this.#parts.source.close();
  }

  async #embedLabels(phrases: readonly string[]): Promise<void> {
    const missing = phrases.filter((phrase) => !this.#labels.has(phrase));
    const { width } = this.config.vision;
    const chunk = 64;
    for (let at = 0; at < missing.length; at += chunk) {
      const part = missing.slice(at, at + chunk);
      const embeddings = await this.encodeTexts(part);
      part.forEach((phrase, i) => this.#labels.set(phrase, embeddings.slice(i * width, (i + 1) * width)));
    }
  }

  #open(tower: "vision" | "text"): Promise<Session> {
    if (this.#disposed) throw new SiglipDisposedError("Siglip: the model is disposed");
    if (tower === "vision") return (this.#vision ??= openVision(this.#parts));
    return (this.#text ??= openText(this.#parts));
  }
}

/**
 * Loads a SigLIP checkpoint from a Hugging Face directory: config.json, preprocessor_config.json, tokenizer.json and
 * safetensors (SigLIP, and SigLIP 2 of one fixed resolution).
 * @throws ConfigError naming the field, WeightsError naming the tensor and the numbers
 */
export async function loadSiglip(directory: string, options: LoadSiglipOptions = {}): Promise<Siglip> {
  const { config, preprocessing } = await loadSiglipConfig(directory, options);
  const source = await openWeights(directory);
  try {
    const scalar = async (name: string): Promise<number> => {
      const values = await source.readFloat32(name);
      if (values.length !== 1) throw new WeightsError(`${source.path}: "${name}": expected one value, got ${values.length}`);
      return values[0] as number;
    };
    const logitScale = Math.exp(await scalar("logit_scale"));
    const logitBias = await scalar("logit_bias");
    let tokenizer: Promise<TextTokenizer> | undefined;
    const { maxTokens, vocabularySize } = config.text;
    return new Siglip({
      config,
      preprocessing,
      source,
      options,
      logitScale,
      logitBias,
      tokenizer: () => (tokenizer ??= loadTextTokenizer(directory, { maxTokens, vocabularySize })),
    });
  } catch (error) {
    await source.close();
    throw error;
  }
}

function openVision({ config, source, options }: Parts): Promise<Session> {
  const graph = new Graph();
  const parameter = weightParameters(graph, source);
  const { imageSize, patchSize } = config.vision;
  const pixels = graph.input("pixels", "float32", ["B", 3, imageSize, imageSize]);
  const patchTokens = siglipPatchTokens(patchesOf(pixels, patchSize), parameter, config.vision, { fused: true });
  graph.output("patchTokens", patchTokens);
  graph.output("pooled", siglipPooledEmbedding(patchTokens, parameter, config.vision));
  return openSession(graph, sessionOptions(options));
}

function openText({ config, source, options }: Parts): Promise<Session> {
  const graph = new Graph();
  const tokens = graph.input("tokens", "int64", ["B", config.text.maxTokens]);
  graph.output("embeddings", siglipTextEmbedding(tokens, weightParameters(graph, source), config.text, { fused: true }));
  return openSession(graph, sessionOptions(options));
}

function sessionOptions({ device = "cpu", threads }: LoadSiglipOptions): Parameters<typeof openSession>[1] {
  return threads === undefined ? { device } : { device, threads };
}

function floats(value: TensorValue | undefined): Float32Array {
  return value?.data as Float32Array;
}

/** Rows scaled to length 1. */
function normalized(rows: Float32Array, width: number): Float32Array {
  const result = new Float32Array(rows.length);
  for (let start = 0; start < rows.length; start += width) {
    let squares = 0;
    for (let d = 0; d < width; d++) squares += (rows[start + d] as number) ** 2;
    const factor = 1 / Math.max(Math.sqrt(squares), 1e-12);
    for (let d = 0; d < width; d++) result[start + d] = (rows[start + d] as number) * factor;
  }
  return result;
}
