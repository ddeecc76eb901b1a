import { performance } from "node:perf_hooks";
import { stat } from "node:fs/promises";
import { Graph, openSession, type Device, type Session } from "@sightline/graph";
import { projectorFromCheckpoint, projectorFromMmproj, type Projector } from "@sightline/projector";
import {
  letterbox,
  patchGrid,
  patchesOf,
  preprocess,
  readCheckpointVision,
  readMmprojVision,
  renderViews,
  siglipPatchTokens,
  weightParameters,
  type DecodedImage,
  type ImageView,
  type MmprojVision,
  type Preprocessing,
  type PreprocessingStyle,
} from "@sightline/vision-tower";
import { openWeights, type WeightSource } from "@sightline/weights";

export interface EncodedBatch {
  /** float32[B, N, W]: rows for the decoder. */
  readonly embeddings: Float32Array;
  /** N */
  readonly tokensPerImage: number;
  /** W */
  readonly width: number;
  /** ms, over the whole batch */
  readonly timings: { readonly preprocessMs: number; readonly encodeMs: number };
}

export interface ImageEncoderOptions {
  readonly device?: Device;
  readonly threads?: number;
  /** Whose way of fitting a picture into the tower's square; transformers', which squashes it, when left out. */
  readonly preprocessing?: PreprocessingStyle;
}

/** Keeps the activations of a long batch small beside the weights. */
const imagesPerRun = 8;

/** What llama.cpp does with a picture that is not of the tower's shape, for the projectors that it does not squash for. */
const letterboxes: Readonly<Record<string, readonly [number, number, number]>> = { gemma3: [0, 0, 0], mlp: [122, 116, 104] };

/** Tower and projector in one graph: pixels in, decoder embeddings out, nothing on the host between them. */
export class ImageEncoder implements AsyncDisposable {
  /** N, decoder tokens of an image. */
  readonly tokensPerImage: number;
  /** W, which the decoder reads. */
  readonly width: number;
  /** Which projector it is: `gemma3`, `idefics3`, `mlp`, ... */
  readonly projector: string;
  /** float32[W], what ends each row of tiled patches, where the model has it (`packAnyresRows`). */
  readonly newline: Float32Array | undefined;
  readonly #session: Session;
  readonly #preprocessing: Preprocessing;
  readonly #fit: ((image: DecodedImage) => ImageView) | undefined;

  /** @internal Use `openImageEncoder`. */
  constructor(session: Session, preprocessing: Preprocessing, model: { readonly projector: string; readonly tokensPerImage: number; readonly width: number; readonly newline: Float32Array | undefined }, fit?: (image: DecodedImage) => ImageView) {
    this.#session = session;
    this.#preprocessing = preprocessing;
    this.#fit = fit;
    this.projector = model.projector;
    this.tokensPerImage = model.tokensPerImage;
    this.width = model.width;
    this.newline = model.newline;
  }

  /**
   * Encodes images, or the views of images that a plan names (`renderViews`), a few at a time.
   * @throws GraphError when the encoder is disposed, the signal's reason between runs
   */
  async encode(images: readonly DecodedImage[], { signal }: { readonly signal?: AbortSignal } = {}): Promise<EncodedBatch> {
    const { tokensPerImage, width } = this;
    const embeddings = new Float32Array(images.length * tokensPerImage * width);
    const timings = { preprocessMs: 0, encodeMs: 0 };
    for (let at = 0; at < images.length; at += imagesPerRun) {
      signal?.throwIfAborted();
      const started = performance.now();
      const { data, shape } = preprocess(images.slice(at, at + imagesPerRun).map((image) => this.#fitted(image)), this.#preprocessing);
      const preprocessed = performance.now();
      const result = await this.#session.run({ pixels: { dtype: "float32", shape, data } });
      embeddings.set(result["embeddings"]?.data as Float32Array, at * tokensPerImage * width);
      timings.preprocessMs += preprocessed - started;
      timings.encodeMs += performance.now() - preprocessed;
    }
    return { embeddings, tokensPerImage, width, timings };
  }

  /** Waits for a run under way, then frees tower and projector. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#session[Symbol.asyncDispose]();
  }

  #fitted(image: DecodedImage): DecodedImage {
    return this.#fit ? (renderViews(image, [this.#fit(image)])[0] as DecodedImage) : image;
  }
}

/**
 * Opens the tower and projector of an mmproj GGUF, or of a Hugging Face directory of a vision-language model.
 * @throws WeightsError, ConfigError, ProjectorError or GraphError naming what does not fit
 */
export async function openImageEncoder(model: string, { preprocessing: style = "huggingface", ...options }: ImageEncoderOptions = {}): Promise<ImageEncoder> {
  await using source = await openWeights(model);
  const { vision, projector } = await readModel(model, source);
  const { config, preprocessing, postLayerNorm, rename } = vision;
  const graph = new Graph();
  const grid = patchGrid(config);
  const pixels = graph.input("pixels", "float32", ["B", 3, config.imageSize, config.imageSize]);
  const patchTokens = siglipPatchTokens(patchesOf(pixels, config.patchSize), weightParameters(graph, source, rename), config, { fused: true, postLayerNorm });
  graph.output("embeddings", projector.build(patchTokens, grid, weightParameters(graph, source)));
  const { filter, width, height } = preprocessing;
  const color = style === "llama.cpp" && filter !== null ? letterboxes[projector.type] : undefined;
  const fit = color && filter ? (image: DecodedImage): ImageView => letterbox(image, { width, height }, filter, color) : undefined;
  const session = await openSession(graph, { device: "cpu", ownThread: true, givesWay: true, ...options });
  const newline = projector.newline === undefined ? undefined : await source.readFloat32(projector.newline);
  return new ImageEncoder(session, preprocessing, { projector: projector.type, tokensPerImage: projector.tokens(grid), width: projector.outputWidth, newline }, fit);
}

async function readModel(model: string, source: WeightSource): Promise<{ readonly vision: MmprojVision; readonly projector: Projector }> {
  if (!(await stat(model)).isDirectory()) return { vision: readMmprojVision(source), projector: projectorFromMmproj(source) };
  const vision = await readCheckpointVision(model, source);
  return { vision, projector: projectorFromCheckpoint(source, vision.modelConfig) };
}
