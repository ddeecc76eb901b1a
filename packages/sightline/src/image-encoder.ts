import { performance } from "node:perf_hooks";
import { Graph, openSession, type Device, type Session } from "@sightline/graph";
import { projectorFromMmproj, type PatchGrid } from "@sightline/projector";
import { patchesOf, preprocess, readMmprojVision, siglipPatchTokens, weightParameters, type DecodedImage, type Preprocessing } from "@sightline/vision-tower";
import { openWeights } from "@sightline/weights";

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

/** Keeps the activations of a long batch small beside the weights. */
const imagesPerRun = 8;

/** Tower and projector in one graph: pixels in, decoder embeddings out, nothing on the host between them. */
export class ImageEncoder implements AsyncDisposable {
  /** N, decoder tokens of an image. */
  readonly tokensPerImage: number;
  /** W, which the decoder reads. */
  readonly width: number;
  readonly #session: Session;
  readonly #preprocessing: Preprocessing;

  /** @internal Use `openImageEncoder`. */
  constructor(session: Session, preprocessing: Preprocessing, tokensPerImage: number, width: number) {
    this.#session = session;
    this.#preprocessing = preprocessing;
    this.tokensPerImage = tokensPerImage;
    this.width = width;
  }

  /**
   * Encodes images, a few at a time.
   * @throws GraphError when the encoder is disposed, the signal's reason between runs
   */
  async encode(images: readonly DecodedImage[], { signal }: { readonly signal?: AbortSignal } = {}): Promise<EncodedBatch> {
    const { tokensPerImage, width } = this;
    const embeddings = new Float32Array(images.length * tokensPerImage * width);
    const timings = { preprocessMs: 0, encodeMs: 0 };
    for (let at = 0; at < images.length; at += imagesPerRun) {
      signal?.throwIfAborted();
      const started = performance.now();
      const { data, shape } = preprocess(images.slice(at, at + imagesPerRun), this.#preprocessing);
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
}

/**
 * Opens the tower and projector of an mmproj GGUF.
 * @throws WeightsError, ProjectorError or GraphError naming what does not fit
 */
export async function openImageEncoder(mmproj: string, options: { readonly device?: Device; readonly threads?: number } = {}): Promise<ImageEncoder> {
  await using source = await openWeights(mmproj);
  const { config, preprocessing, postLayerNorm, rename } = readMmprojVision(source);
  const projector = projectorFromMmproj(source);
  const graph = new Graph();
  const side = Math.floor(config.imageSize / config.patchSize);
  const grid: PatchGrid = { rows: side, columns: side };
  const pixels = graph.input("pixels", "float32", ["B", 3, config.imageSize, config.imageSize]);
  const patchTokens = siglipPatchTokens(patchesOf(pixels, config.patchSize), weightParameters(graph, source, rename), config, { fused: true, postLayerNorm });
  graph.output("embeddings", projector.build(patchTokens, grid, weightParameters(graph, source)));
  return new ImageEncoder(await openSession(graph, { device: "cpu", ...options }), preprocessing, projector.tokens(grid), projector.outputWidth);
}
