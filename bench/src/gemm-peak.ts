import { performance } from "node:perf_hooks";
import { Graph, linear, openSession, type Session } from "@sightline/graph";

/** A matrix product [rows, inner] x [inner, columns] with constant weights, as a tower's layers are. */
export interface GemmShape {
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
}

/** A GEMM that can be timed again and again between other work, so that both meet the same machine. */
export class GemmProbe implements AsyncDisposable {
  /** The most that any run so far reached, GFLOP/s. */
  bestGflops = 0;
  readonly #session: Session;
  readonly #shape: GemmShape;
  readonly #input: Float32Array;

  private constructor(session: Session, shape: GemmShape) {
    this.#session = session;
    this.#shape = shape;
    this.#input = new Float32Array(shape.rows * shape.inner).fill(0.5);
  }

  static async open(shape: GemmShape, threads: number): Promise<GemmProbe> {
    const { rows, inner, columns } = shape;
    const graph = new Graph();
    const x = graph.input("x", "float32", [rows, inner]);
    const weight = graph.weight("w", "float32", [columns, inner], new Float32Array(columns * inner).fill(0.01));
    graph.output("y", linear(x, weight));
    return new GemmProbe(await openSession(graph, { device: "cpu", threads }), shape);
  }

  async run(): Promise<void> {
    const { rows, inner, columns } = this.#shape;
    const started = performance.now();
    await this.#session.run({ x: { dtype: "float32", shape: [rows, inner], data: this.#input } });
    const gflops = (2 * rows * inner * columns) / (performance.now() - started) / 1e6;
    this.bestGflops = Math.max(this.bestGflops, gflops);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#session[Symbol.asyncDispose]();
  }
}
