import { elementCount, grad, mul, openSession, reduceSum, type Graph, type Session, type SessionOptions, type Tensor, type TensorValue } from "@sightline/graph";
import { ParameterSet } from "../parameter-set.js";
import { TrainingError } from "../training-error.js";
import { paddedRows } from "./padded-rows.js";

/** An encoder for a chunk of C rows (images, or texts). */
export interface EncoderGraph {
  readonly graph: Graph;
  /** float32[C, D], before normalisation */
  readonly embeddings: Tensor;
  /** Parameters to train, by name; none for a locked tower. */
  readonly parameters: ReadonlyMap<string, Tensor>;
}

/** The rows of a batch, read chunk by chunk, twice: once for the embeddings, once for the gradients. */
export interface RowSource {
  /** N */
  readonly count: number;
  /**
   * The encoder's inputs for rows from <= i < to; the same numbers each time. Inputs with fewer rows than the graph wants,
   * as at the end of a batch, are padded.
   */
  rows(from: number, to: number): Readonly<Record<string, TensorValue>> | Promise<Readonly<Record<string, TensorValue>>>;
}

/** Rows that are already in memory: inputs whose first axis is the batch. */
export function rowsInMemory(inputs: Readonly<Record<string, TensorValue>>): RowSource {
  const counts = new Set(Object.values(inputs).map(({ shape }) => shape[0] ?? 0));
  const [count] = counts;
  if (counts.size !== 1 || count === undefined) throw new TrainingError(`rowsInMemory: expected inputs with as many rows each, got ${[...counts].join(", ") || "none"}`);
  return {
    count,
    rows: (from, to) =>
      Object.fromEntries(
        Object.entries(inputs).map(([name, { dtype, shape, data }]) => {
          const width = data.length / count;
          return [name, { dtype, shape: [to - from, ...shape.slice(1)], data: data.subarray(from * width, to * width) }];
        }),
      ),
  };
}

/**
 * An encoder that embeds any number of rows and takes the gradients of any number of embeddings, holding the activations
 * of one chunk at a time. The backward pass computes its chunk's forward again.
 */
export class CachedEncoder implements AsyncDisposable {
  /** C */
  readonly chunk: number;
  /** D */
  readonly width: number;
  /** Shapes of the parameters to train, by name. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly #forward: Session;
  readonly #backward: Session | undefined;
  readonly #inputs: ReadonlyMap<string, Tensor>;
  /** Gradients of one chunk. */
  readonly #own: ParameterSet;

  private constructor(encoder: EncoderGraph, forward: Session, backward: Session | undefined, shapes: ReadonlyMap<string, readonly number[]>) {
    [this.chunk, this.width] = encoder.embeddings.shape as [number, number];
    this.#inputs = new Map(encoder.graph.inputs.filter(({ name }) => !shapes.has(name)).map((tensor) => [tensor.name, tensor]));
    this.shapes = shapes;
    this.#forward = forward;
    this.#backward = backward;
    this.#own = new ParameterSet(shapes);
  }

  /**
   * Builds the tower twice, to embed and to carry gradients back, and opens both sessions.
   * @param build makes the graph; called twice, since the pass for the embeddings must not hold the backward's nodes
   * @param passes `backward: false` for an encoder that only embeds
   */
  static async open(build: () => EncoderGraph, options: SessionOptions = {}, passes: { readonly backward: boolean } = { backward: true }): Promise<CachedEncoder> {
    const encoder = build();
    const { graph, embeddings, parameters } = encoder;
    if (embeddings.shape.length !== 2) throw new TrainingError(`CachedEncoder.open: expected embeddings [C, D], got [${embeddings.shape.join(", ")}]`);
    elementCount(embeddings.shape);
    const shapes = new Map([...parameters].map(([name, tensor]) => [name, tensor.shape.map(Number)]));
    graph.output("embeddings", embeddings);
    const forward = await openSession(graph, options);
    const backward = shapes.size === 0 || !passes.backward ? undefined : await openSession(withBackward(build()), options);
    return new CachedEncoder(encoder, forward, backward, shapes);
  }

  /** For `embed`, of an encoder that trains nothing. */
  get noParameters(): ParameterSet {
    return this.#own;
  }

  /** float32[N, D] */
  async embed(parameters: ParameterSet, source: RowSource, signal?: AbortSignal): Promise<Float32Array> {
    const embeddings = new Float32Array(source.count * this.width);
    const own = this.#feeds(parameters);
    for (const [from, to] of this.#chunks(source.count)) {
      signal?.throwIfAborted();
      const result = await this.#forward.run({ ...own, ...(await this.#rows(source, from, to)) });
      const data = (result["embeddings"] as TensorValue).data as Float32Array;
      embeddings.set(data.subarray(0, (to - from) * this.width), from * this.width);
    }
    return embeddings;
  }

  /**
   * Adds the gradients of the parameters, given those of the embeddings.
   * @param embeddingGradients float32[N, D]
   * @param gradients laid out like the parameters
   */
  async backward(parameters: ParameterSet, source: RowSource, embeddingGradients: Float32Array, gradients: Float32Array, signal?: AbortSignal): Promise<void> {
    if (!this.#backward) return;
    const own = this.#feeds(parameters);
    const into = Object.fromEntries(Object.entries(this.#own.feeds()).map(([name, value]) => [`grad ${name}`, value]));
    for (const [from, to] of this.#chunks(source.count)) {
      signal?.throwIfAborted();
      // Rows that pad the last chunk have gradients of 0, and so add nothing.
      const chunk = new Float32Array(this.chunk * this.width);
      chunk.set(embeddingGradients.subarray(from * this.width, to * this.width));
      const gradient: TensorValue = { dtype: "float32", shape: [this.chunk, this.width], data: chunk };
      await this.#backward.run({ ...own, ...(await this.#rows(source, from, to)), [gradientInput]: gradient }, into);
      for (const name of this.shapes.keys()) addTo(parameters.view(gradients, name), this.#own.get(name));
    }
  }

  /** Closes both sessions, after runs under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#forward[Symbol.asyncDispose]();
    await this.#backward?.[Symbol.asyncDispose]();
  }

  *#chunks(count: number): Generator<readonly [from: number, to: number]> {
    for (let from = 0; from < count; from += this.chunk) yield [from, Math.min(count, from + this.chunk)];
  }

  #feeds(parameters: ParameterSet): Record<string, TensorValue> {
    return Object.fromEntries([...this.shapes].map(([name, shape]) => [name, { dtype: "float32", shape, data: parameters.get(name) }]));
  }

  async #rows(source: RowSource, from: number, to: number): Promise<Record<string, TensorValue>> {
    const rows = await source.rows(from, to);
    return Object.fromEntries(
      Object.entries(rows).map(([name, value]) => {
        const wanted = this.#inputs.get(name)?.shape[0];
        return [name, typeof wanted === "number" ? paddedRows(value, wanted) : value];
      }),
    );
  }
}

const gradientInput = "gradient of the embeddings";

/** The graph with outputs that pull a gradient of the embeddings back to the parameters. */
function withBackward({ graph, embeddings, parameters }: EncoderGraph): Graph {
  const gradient = graph.input(gradientInput, "float32", embeddings.shape);
  // The derivative of Σ embeddings · gradient by the embeddings is the gradient.
  const gradients = grad(reduceSum(mul(embeddings, gradient)), [...parameters.values()]);
  [...parameters.keys()].forEach((name, i) => graph.output(`grad ${name}`, gradients[i] as Tensor));
  return graph;
}

function addTo(sum: Float32Array, values: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (values[i] as number);
}
