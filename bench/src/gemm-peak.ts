import { performance } from "node:perf_hooks";
import { Graph, linear, openSession, reduceMean, type Session, type Tensor } from "@sightline/graph";

/** A pair of matrix products as an MLP has them: [rows, inner] x [inner, columns], and back. */
export interface GemmShape {
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
}

/** Pairs in one run: long enough that starting it counts for nothing. */
const pairs = 12;

/**
 * The machine's GEMM peak: matrix products and nothing else, in one graph, so that no result travels to JavaScript. It
 * can be read again and again between other work, so that both meet the same machine; the best reading counts.
 */
export class GemmPeak implements AsyncDisposable {
  /** The most that any reading so far reached, GFLOP/s. */
  gflops = 0;
  readonly #session: Session;
  readonly #shape: GemmShape;
  readonly #input: Float32Array;

  private constructor(session: Session, shape: GemmShape) {
    this.#session = session;
    this.#shape = shape;
    this.#input = new Float32Array(shape.rows * shape.inner).fill(0.5);
  }

  /** @param dtype int8: as the towers use it, float32 in and out, with the quantisation of the input in its time */
  static async open(shape: GemmShape, threads: number, dtype: "float32" | "int8"): Promise<GemmPeak> {
    const { rows, inner, columns } = shape;
    const graph = new Graph();
    const product = dtype === "int8" ? int8Product : float32Product;
    const there = product(graph, "there", inner, columns);
    const back = product(graph, "back", columns, inner);
    let x: Tensor = graph.input("x", "float32", [rows, inner]);
    for (let i = 0; i < pairs; i++) x = back(there(x));
    graph.output("mean", reduceMean(x));
    return new GemmPeak(await openSession(graph, { device: "cpu", threads }), shape);
  }

  /** Takes one reading. */
  async read(): Promise<void> {
    const { rows, inner, columns } = this.#shape;
    const started = performance.now();
    await this.#session.run({ x: { dtype: "float32", shape: [rows, inner], data: this.#input } });
    this.gflops = Math.max(this.gflops, (pairs * 4 * rows * inner * columns) / (performance.now() - started) / 1e6);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#session[Symbol.asyncDispose]();
  }
}

/** A product with equal weights that add up to 1, which keep the values what they are, whatever the number of products. */
function float32Product(graph: Graph, name: string, inWidth: number, outWidth: number): (x: Tensor) => Tensor {
  const weight = graph.weight(name, "float32", [outWidth, inWidth], new Float32Array(outWidth * inWidth).fill(1 / inWidth));
  return (x) => linear(x, weight);
}

function int8Product(graph: Graph, name: string, inWidth: number, outWidth: number): (x: Tensor) => Tensor {
  const weight = graph.weight(name, "int8", [inWidth, outWidth], new Int8Array(outWidth * inWidth).fill(127));
  const scale = graph.weight(`${name}.scale`, "float32", [outWidth], new Float32Array(outWidth).fill(1 / (127 * inWidth)));
  return (x) => graph.node1("DynamicQuantizeMatMul", [x, weight, scale], { shape: [x.shape[0] ?? 0, outWidth] }, {}, "com.microsoft");
}
