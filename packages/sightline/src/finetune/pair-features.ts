import { CachedEncoder, type FeatureTower, type ImageTextPair, type Parameter, type RowSource } from "@sightline/contrastive";
import { concat, Graph, reshape, type SessionOptions, type Tensor } from "@sightline/graph";
import { siglipTextEmbedding } from "@sightline/vision-tower";
import { BatchRows } from "./batch-rows.js";
import { frozenPart, type TrainingModel } from "./training-model.js";
import { pooledImages } from "./training-vision.js";

/** What the frozen part of a tower gives for each row of a data set, computed once. */
export class FrozenFeatures implements AsyncDisposable {
  readonly part: FeatureTower;
  readonly #rows: BatchRows;
  readonly #width: number;

  private constructor(part: FeatureTower, rows: BatchRows) {
    this.part = part;
    this.#rows = rows;
    this.#width = part.shape.reduce((product, dim) => product * dim, 1);
  }

  /**
   * @param source the inputs of all rows, read once in order
   * @param chunk rows of a run
   */
  static async compute(
    model: TrainingModel,
    what: { readonly tower: "image" | "text"; readonly trained: "none" | "head"; readonly source: RowSource; readonly chunk: number; readonly keepBytes: number },
    session: SessionOptions,
    onRows: (done: number) => void,
    signal?: AbortSignal,
  ): Promise<FrozenFeatures> {
    const { tower, trained, source, chunk, keepBytes } = what;
    const part = frozenPart(model, tower, trained);
    const width = part.shape.reduce((product, dim) => product * dim, 1);
    await using encoder = await CachedEncoder.open(() => frozenGraph(model, tower, trained, chunk, width), session, { backward: false });
    const rows = await BatchRows.create(source.count, width * 4, keepBytes);
    try {
      for (let from = 0; from < source.count; from += chunk) {
        const to = Math.min(source.count, from + chunk);
        const part = { count: to - from, rows: (a: number, b: number) => source.rows(from + a, from + b) };
        const features = await encoder.embed(encoder.noParameters, part, signal);
        for (let row = from; row < to; row++) await rows.write(row, new Uint8Array(features.buffer, features.byteOffset + (row - from) * width * 4, width * 4));
        onRows(to);
      }
    } catch (error) {
      await rows[Symbol.asyncDispose]();
      throw error;
    }
    return new FrozenFeatures(part, rows);
  }

  /** The features of chosen rows as a tower's input. */
  source(chosen: readonly number[]): RowSource {
    return {
      count: chosen.length,
      rows: async (from, to) => {
        const data = new Float32Array((to - from) * this.#width);
        for (let i = from; i < to; i++) {
          const row = chosen[i] as number;
          const bytes = await this.#rows.read(row, row + 1);
          data.set(new Float32Array(bytes.buffer, bytes.byteOffset, this.#width), (i - from) * this.#width);
        }
        return { [this.part.input]: { dtype: "float32", shape: [to - from, ...this.part.shape], data } };
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#rows[Symbol.asyncDispose]();
  }
}

/** The part of a tower before what is trained; its features lie flat, float32[C, width]. */
function frozenGraph({ vision, text, towers }: TrainingModel, tower: "image" | "text", trained: "none" | "head", chunk: number, width: number): ReturnType<Parameters<typeof CachedEncoder.open>[0]> {
  const graph = new Graph();
  const parameter: Parameter = towers.frozen(graph);
  const features = (): Tensor => {
    if (tower === "text") {
      const tokens = graph.input("tokens", "int64", [chunk, text.maxTokens]);
      return siglipTextEmbedding(tokens, parameter, trained === "head" ? { ...text, head: false } : text, { fused: false });
    }
    const patches = vision.patchTokens(graph, chunk, parameter);
    if (trained === "none") return pooledImages(patches, parameter, vision);
    const { tokens, keyBias } = patches;
    // As frozenPart takes them apart again.
    return reshape(keyBias ? concat([tokens, reshape(keyBias, [chunk, vision.patches, 1])], 2) : tokens, [chunk, width]);
  };
  return { graph, embeddings: features(), parameters: new Map() };
}

/** Where the captions of each pair start, when all captions of all pairs are rows one after another. */
export function captionStarts(pairs: readonly ImageTextPair[]): readonly number[] {
  const starts = [0];
  for (const { captions } of pairs) starts.push((starts.at(-1) as number) + captions.length);
  return starts;
}
