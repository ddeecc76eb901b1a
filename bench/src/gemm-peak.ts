import { performance } from "node:perf_hooks";
import { Graph, linear, openSession, type Session } from "@sightline/graph";

/** A matrix product [rows, inner] x [inner, columns] with constant weights, as a tower's layers are. */
export interface GemmShape {
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
}

/** A GEMM that can be timed again and again between other work, so that both meet the same machine. */
class GemmProbe implements AsyncDisposable {
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

  /** The mean over products repeated for `windowMs`, GFLOP/s. */
  async gflops(windowMs: number): Promise<number> {
    const { rows, inner, columns } = this.#shape;
    const started = performance.now();
    let products = 0;
    let ms = 0;
    do {
      await this.#session.run({ x: { dtype: "float32", shape: [rows, inner], data: this.#input } });
      products++;
      ms = performance.now() - started;
    } while (ms < windowMs);
    return (2 * rows * inner * columns * products) / ms / 1e6;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#session[Symbol.asyncDispose]();
  }
}

/** Products of several shapes; the fastest of them is the machine's peak. */
export class GemmPeak implements AsyncDisposable {
  /** The most that any reading so far reached, GFLOP/s. */
  gflops = 0;
  readonly #probes: readonly GemmProbe[];

  private constructor(probes: readonly GemmProbe[]) {
    this.#probes = probes;
  }

  static async open(shapes: readonly GemmShape[], threads: number): Promise<GemmPeak> {
    return new GemmPeak(await Promise.all(shapes.map((shape) => GemmProbe.open(shape, threads))));
  }

  /** Takes a reading of every shape, `ms` long all together. */
  async read(ms: number): Promise<void> {
    for (const probe of this.#probes) this.gflops = Math.max(this.gflops, await probe.gflops(ms / this.#probes.length));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const probe of this.#probes) await probe[Symbol.asyncDispose]();
  }
}
