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
  /** ms */
  readonly timings: { readonly preprocessMs: number; readonly encodeMs: number };
}

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

  /** Encodes images in one batch. */
  async encode(images: readonly DecodedImage[], options: { readonly signal?: AbortSignal } = {}): Promise<EncodedBatch> {
    const { tokensPerImage, width } = this;
    const started = performance.now();
    const { data, shape } = preprocess(images, this.#preprocessing);
    const preprocessed = performance.now();
    options.signal?.throwIfAborted();
    const { embeddings } = await this.#session.run({ pixels: { dtype: "float32", shape, data } });
    const timings = { preprocessMs: preprocessed - started, encodeMs: performance.now() - preprocessed };
    return { embeddings: embeddings?.data as Float32Array, tokensPerImage, width, timings };
  }

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
