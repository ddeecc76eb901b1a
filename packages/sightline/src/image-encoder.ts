import { performance } from "node:perf_hooks";
import { Graph, openSession, type Device, type Session } from "@sightline/graph";
import { calibrationImages, openInt8, preprocess, renderViews, weightParameters, type DecodedImage, type GridTower, type PatchGrid } from "@sightline/vision-tower";
import { openWeights } from "@sightline/weights";
import { GridSessions } from "./grid-sessions.js";
import type { PlanRequest } from "./image-families/image-family.js";
import { namingFile, readImageModel, readImageParts, type ImageModel, type ImageModelOptions, type PicturePart, type PicturePlan } from "./image-model.js";

/** A picture, and how it is shown to the model. */
export interface PictureToEncode {
  readonly image: DecodedImage;
  readonly plan: PicturePlan;
}

/** ms, over all pictures. */
export interface EncodeTimings {
  readonly preprocessMs: number;
  readonly encodeMs: number;
}

/** What `ImageEncoder.encode` gives. */
export interface EncodedPictures {
  /** What stands in the prompt for each picture. */
  readonly pictures: readonly (readonly PicturePart[])[];
  readonly timings: EncodeTimings;
}

/** Settings of `openImageEncoder`. */
export interface ImageEncoderOptions extends ImageModelOptions {
  readonly device?: Device;
  readonly threads?: number;
  /**
   * Of the tower: "int8" runs its linear layers in 8 bits, as many of them as keep the rows of two calibration images at a
   * cosine of 0.99 with float32's; "auto" does so where that is faster. On the CPU and for towers of one resolution only;
   * opening takes several runs longer. "float32" when left out.
   */
  readonly precision?: "float32" | "int8" | "auto";
}

/** Keeps the activations of a long batch small beside the weights. */
const viewsPerRun = 8;

/** Tower and projector in one graph: pixels in, decoder embeddings out, nothing on the host between them. */
export class ImageEncoder implements AsyncDisposable {
  /** How the model wants its pictures. */
  readonly model: ImageModel;
  readonly #sessions: GridSessions;
  readonly #newline: Float32Array | undefined;

  /** @internal Use `openImageEncoder`. */
  constructor(model: ImageModel, sessions: GridSessions, newline: Float32Array | undefined) {
    this.model = model;
    this.#sessions = sessions;
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
    for (const { grid, indices } of this.#batches(views)) {
      signal?.throwIfAborted();
      const started = performance.now();
      const { preprocessing } = this.model.tower;
      const [first] = indices.map((i) => views[i] as DecodedImage) as [DecodedImage];
      const size = this.model.tower.fixedGrid ? preprocessing : { width: first.width, height: first.height };
      const { data, shape } = preprocess(indices.map((i) => views[i] as DecodedImage), { ...preprocessing, width: size.width, height: size.height });
      const preprocessed = performance.now();
      const embeddings = await this.#sessions.run(grid, { dtype: "float32", shape, data });
      const perView = embeddings.length / indices.length;
      // Copies, so that one kept view does not keep the batch.
      indices.forEach((index, i) => (rows[index] = embeddings.slice(i * perView, (i + 1) * perView)));
      timings.preprocessMs += preprocessed - started;
      timings.encodeMs += performance.now() - preprocessed;
    }
    return { rows, timings };
  }

  /** Views of one grid go through the tower together, a few at a time. */
  #batches(views: readonly DecodedImage[]): { readonly grid: PatchGrid; readonly indices: readonly number[] }[] {
    const { fixedGrid, trainedGrid, gridOf } = this.model.tower;
    const bySize = new Map<string, { grid: PatchGrid; indices: number[] }>();
    views.forEach((view, index) => {
      const grid = fixedGrid ? trainedGrid : gridOf(view);
      const key = `${grid.rows}x${grid.columns}`;
      const batch = bySize.get(key) ?? { grid, indices: [] };
      bySize.set(key, batch);
      batch.indices.push(index);
    });
    return [...bySize.values()].flatMap(({ grid, indices }) => Array.from({ length: Math.ceil(indices.length / viewsPerRun) }, (_, i) => ({ grid, indices: indices.slice(i * viewsPerRun, (i + 1) * viewsPerRun) })));
  }

  /** Waits for a run under way, then frees tower and projector. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#sessions[Symbol.asyncDispose]();
  }
}

/**
 * Opens the tower and projector of an mmproj GGUF, of a Hugging Face directory of a vision-language model, or of one whose
 * headers were read.
 * @throws WeightsError, ConfigError, ProjectorError or GraphError naming what does not fit; RangeError for int8 where there is none
 */
export async function openImageEncoder(model: string | ImageModel, { preprocessing, panAndScan, precision = "float32", ...options }: ImageEncoderOptions = {}): Promise<ImageEncoder> {
  const known = typeof model === "string" ? await readImageModel(model, { ...(preprocessing ? { preprocessing } : {}), ...(panAndScan ? { panAndScan } : {}) }) : model;
  const source = await openWeights(known.path);
  try {
    const { tower, projector } = await readImageParts(known.path, source);
    const newline = projector.newline === undefined ? undefined : await source.readFloat32(projector.newline);
    const exact = precision === "float32" || (precision === "auto" && !mayBeInt8(tower, options.device));
    if (!exact && !mayBeInt8(tower, options.device)) {
      throw new RangeError(`openImageEncoder: expected precision "float32" or "auto" for a tower of any resolution or on device ${options.device ?? "cpu"}, got "${precision}"`);
    }
    const open = async (grid: PatchGrid): Promise<Session> => {
      const graph = new Graph();
      graph.output("embeddings", namingFile("openImageEncoder", known.path, () => projector.build(tower.build(graph, grid), grid, weightParameters(graph, source))));
      const how = { device: "cpu" as const, ownThread: true, givesWay: true, ...options };
      if (exact) return openSession(graph, how);
      const feeds = (await calibrationImages()).map((image) => {
        const { data, shape } = preprocess([image], { ...tower.preprocessing, filter: tower.preprocessing.filter ?? "bicubic" });
        return { pixels: { dtype: "float32" as const, shape, data } };
      });
      return (await openInt8(graph, feeds, how, precision === "auto")).session;
    };
    const sessions = new GridSessions(open, source);
    // Any file that does not fit, and any device that does not work, is met here and not in the middle of a chat.
    await sessions.warm(tower.trainedGrid);
    if (tower.fixedGrid) await source.close();
    return new ImageEncoder(known, sessions, newline);
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** 8 bits are for the CPU; and a tower that is built anew for every grid would be calibrated anew for every picture. */
function mayBeInt8(tower: Pick<GridTower, "fixedGrid">, device: Device = "cpu"): boolean {
  return tower.fixedGrid && device === "cpu";
}
