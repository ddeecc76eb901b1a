import { performance } from "node:perf_hooks";
import { Graph, openSession, type Device, type Session } from "@sightline/graph";
import { patchGrid, patchesOf, preprocess, renderViews, siglipPatchTokens, weightParameters, type DecodedImage } from "@sightline/vision-tower";
import { openWeights } from "@sightline/weights";
import type { PlanRequest } from "./image-families/image-family.js";
import { readImageModel, type ImageModel, type ImageModelOptions, type PicturePart, type PicturePlan } from "./image-model.js";

export interface PictureToEncode {
  readonly image: DecodedImage;
  readonly plan: PicturePlan;
}

/** ms, over all pictures. */
export interface EncodeTimings {
  readonly preprocessMs: number;
  readonly encodeMs: number;
}

export interface EncodedPictures {
  /** What stands in the prompt for each picture. */
  readonly pictures: readonly (readonly PicturePart[])[];
  readonly timings: EncodeTimings;
}

export interface ImageEncoderOptions extends ImageModelOptions {
  readonly device?: Device;
  readonly threads?: number;
}

/** Keeps the activations of a long batch small beside the weights. */
const viewsPerRun = 8;

/** Tower and projector in one graph: pixels in, decoder embeddings out, nothing on the host between them. */
export class ImageEncoder implements AsyncDisposable {
  /** How the model wants its pictures. */
  readonly model: ImageModel;
  readonly #session: Session;
  readonly #newline: Float32Array | undefined;

  /** @internal Use `openImageEncoder`. */
  constructor(model: ImageModel, session: Session, newline: Float32Array | undefined) {
    this.model = model;
    this.#session = session;
    this.#newline = newline;
  }

  /** W, which the decoder reads. */
  get width(): number {
    return this.model.width;
  }

  /** Which projector it is: `gemma3`, `idefics3`, `mlp`, ... */
  get projector(): string {
    return this.model.projector.type;
  }

  /** How a picture is shown to the model (`ImageModel.plan`). */
  plan(image: DecodedImage, request?: PlanRequest): PicturePlan {
    return this.model.plan(image, request);
  }

  /** N, rows that the decoder reads of a planned picture. */
  tokens(plan: PicturePlan): number {
    return this.model.tokens(plan);
  }

  /**
   * Encodes pictures as planned, a few views at a time.
   * @throws GraphError when the encoder is disposed, the signal's reason between runs
   */
  async encode(pictures: readonly PictureToEncode[], { signal }: { readonly signal?: AbortSignal } = {}): Promise<EncodedPictures> {
    const timings = { preprocessMs: 0, encodeMs: 0 };
    const parts: PicturePart[][] = [];
    for (const { image, plan } of pictures) {
      signal?.throwIfAborted();
      const started = performance.now();
      const views = renderViews(image, plan.views);
      timings.preprocessMs += performance.now() - started;
      const encoded = await this.encodeViews(views, { ...(signal ? { signal } : {}) });
      timings.preprocessMs += encoded.timings.preprocessMs;
      timings.encodeMs += encoded.timings.encodeMs;
      parts.push(this.model.parts(plan, encoded.rows, this.#newline));
    }
    return { pictures: parts, timings };
  }

  /**
   * Encodes views that are rendered already.
   * @returns float32[N, W] for each view
   * @throws GraphError when the encoder is disposed, the signal's reason between runs
   */
  async encodeViews(views: readonly DecodedImage[], { signal }: { readonly signal?: AbortSignal } = {}): Promise<{ readonly rows: readonly Float32Array[]; readonly timings: EncodeTimings }> {
    const timings = { preprocessMs: 0, encodeMs: 0 };
    const rows: Float32Array[] = [];
    for (let at = 0; at < views.length; at += viewsPerRun) {
      signal?.throwIfAborted();
      const started = performance.now();
      const some = views.slice(at, at + viewsPerRun);
      const { data, shape } = preprocess(some, this.model.vision.preprocessing);
      const preprocessed = performance.now();
      const result = await this.#session.run({ pixels: { dtype: "float32", shape, data } });
      const embeddings = result["embeddings"]?.data as Float32Array;
      const perView = embeddings.length / some.length;
      // Copies, so that one kept view does not keep the batch.
      rows.push(...some.map((_, i) => embeddings.slice(i * perView, (i + 1) * perView)));
      timings.preprocessMs += preprocessed - started;
      timings.encodeMs += performance.now() - preprocessed;
    }
    return { rows, timings };
  }

  /** Waits for a run under way, then frees tower and projector. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#session[Symbol.asyncDispose]();
  }
}

/**
 * Opens the tower and projector of an mmproj GGUF, of a Hugging Face directory of a vision-language model, or of one whose
 * headers were read.
 * @throws WeightsError, ConfigError, ProjectorError or GraphError naming what does not fit
 */
export async function openImageEncoder(model: string | ImageModel, { preprocessing, panAndScan, ...options }: ImageEncoderOptions = {}): Promise<ImageEncoder> {
  const known = typeof model === "string" ? await readImageModel(model, { ...(preprocessing ? { preprocessing } : {}), ...(panAndScan ? { panAndScan } : {}) }) : model;
  await using source = await openWeights(known.path);
  const { config, postLayerNorm, rename } = known.vision;
  const { projector } = known;
  const graph = new Graph();
  const pixels = graph.input("pixels", "float32", ["B", 3, config.imageSize, config.imageSize]);
  const patchTokens = siglipPatchTokens(patchesOf(pixels, config.patchSize), weightParameters(graph, source, rename), config, { fused: true, postLayerNorm });
  graph.output("embeddings", projector.build(patchTokens, patchGrid(config), weightParameters(graph, source)));
  const session = await openSession(graph, { device: "cpu", ownThread: true, givesWay: true, ...options });
  return new ImageEncoder(known, session, projector.newline === undefined ? undefined : await source.readFloat32(projector.newline));
}
