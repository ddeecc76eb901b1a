import { Graph, openSession, type SessionOptions } from "@sightline/graph";
import { rowsInMemory, type RowSource } from "@sightline/contrastive";
import { preprocess, renderViews, type DecodedImage } from "@sightline/vision-tower";
import { BatchRows } from "../batch-rows.js";
import type { PicturePlan } from "../../image-model.js";
import type { AlignModel } from "./align-model.js";

/** The views of a picture as the tower takes them: float32[V, 3, H, W], one after another. */
export function viewPixels({ tower }: Pick<AlignModel, "tower">, image: DecodedImage, plan: PicturePlan): Float32Array {
  return preprocess(renderViews(image, plan.views), tower.preprocessing).data;
}

/** Values of one view's pixels. */
export function pixelsPerView({ tower }: Pick<AlignModel, "tower">): number {
  const { width, height } = tower.preprocessing;
  return 3 * width * height;
}

/** Views that are in memory, as the input `pixels`. */
export function pixelSource({ tower }: Pick<AlignModel, "tower">, views: readonly Float32Array[]): RowSource {
  const { width, height } = tower.preprocessing;
  const size = 3 * width * height;
  const data = new Float32Array(Math.max(1, views.length) * size);
  views.forEach((view, i) => data.set(view, i * size));
  return rowsInMemory({ pixels: { dtype: "float32", shape: [Math.max(1, views.length), 3, height, width], data } });
}

/** The frozen tower's patch tokens of a data set's views, computed once. */
export class ViewFeatures implements AsyncDisposable {
  readonly #rows: BatchRows;
  readonly #shape: readonly [patches: number, width: number];

  constructor(rows: BatchRows, shape: readonly [patches: number, width: number]) {
    this.#rows = rows;
    this.#shape = shape;
  }

  /** Chosen views as the input `patch tokens`; a batch without views shows the first, which nothing points to. */
  source(chosen: readonly number[]): RowSource {
    const [patches, width] = this.#shape;
    const size = patches * width;
    const read = chosen.length === 0 ? [0] : chosen;
    return {
      count: read.length,
      rows: async (from, to) => {
        const data = new Float32Array((to - from) * size);
        for (let i = from; i < to; i++) {
          const bytes = await this.#rows.read(read[i] as number, (read[i] as number) + 1);
          data.set(new Float32Array(bytes.buffer, bytes.byteOffset, size), (i - from) * size);
        }
        return { "patch tokens": { dtype: "float32", shape: [to - from, patches, width], data } };
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#rows[Symbol.asyncDispose]();
  }
}

/** Runs the frozen tower over views as they come, a few at a time, and keeps what it gives. */
export class ViewEncoder implements AsyncDisposable {
  readonly #session: Awaited<ReturnType<typeof openSession>>;
  readonly #model: Pick<AlignModel, "tower">;
  readonly #rows: BatchRows;
  #waiting: Float32Array[] = [];
  #written = 0;

  private constructor(session: Awaited<ReturnType<typeof openSession>>, model: Pick<AlignModel, "tower">, rows: BatchRows) {
    this.#session = session;
    this.#model = model;
    this.#rows = rows;
  }

  /**
   * @param most views that may come
   * @param keepBytes the most that is held in memory; more goes to a temporary file
   */
  static async open(model: Pick<AlignModel, "tower">, most: number, keepBytes: number, options: SessionOptions): Promise<ViewEncoder> {
    const { tower } = model;
    const graph = new Graph();
    graph.output("patch tokens", tower.build(graph, tower.trainedGrid));
    const session = await openSession(graph, options);
    const { rows, columns } = tower.trainedGrid;
    return new ViewEncoder(session, model, await BatchRows.create(Math.max(1, most), rows * columns * tower.width * 4, keepBytes));
  }

  /** Adds a picture's views. */
  async add(views: Float32Array): Promise<void> {
    const size = pixelsPerView(this.#model);
    for (let at = 0; at < views.length; at += size) this.#waiting.push(views.subarray(at, at + size));
    while (this.#waiting.length >= viewsPerRun) await this.#run(this.#waiting.splice(0, viewsPerRun));
  }

  /** What was computed, once all views are in; closing it is then the receiver's. */
  async done(): Promise<ViewFeatures> {
    while (this.#waiting.length > 0) await this.#run(this.#waiting.splice(0, viewsPerRun));
    const { trainedGrid, width } = this.#model.tower;
    await this.#session[Symbol.asyncDispose]();
    return new ViewFeatures(this.#rows, [trainedGrid.rows * trainedGrid.columns, width]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
    await this.#rows[Symbol.asyncDispose]();
  }

  async #run(views: readonly Float32Array[]): Promise<void> {
    const { pixels } = await pixelSource(this.#model, views).rows(0, views.length);
    const tokens = (await this.#session.run({ pixels: pixels as NonNullable<typeof pixels> }))["patch tokens"]?.data as Float32Array;
    const size = tokens.length / views.length;
    for (let i = 0; i < views.length; i++) await this.#rows.write(this.#written++, new Uint8Array(tokens.buffer, tokens.byteOffset + i * size * 4, size * 4));
  }
}

const viewsPerRun = 8;
