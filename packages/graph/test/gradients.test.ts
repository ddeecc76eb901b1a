import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as ops from "../src/index.js";
import type { Graph, Tensor } from "../src/index.js";
import { gradientError, seededValues } from "./finite-differences.js";

/** Every differentiable operation, on shapes that broadcast where it may. Values are kept away from kinks and poles. */
const unaryOf = (op: (x: Tensor) => Tensor, offset = 0, spread = 1.5) => ({
  shapes: { x: [2, 3] },
  inputs: { x: seededValues(6, 1).map((v) => offset + spread * v) },
  build: (_: Graph, { x }: Record<string, Tensor>) => op(x as Tensor),
});

const two = (aShape: number[], bShape: number[], op: (a: Tensor, b: Tensor) => Tensor, bOffset = 0) => {
  const count = (shape: number[]) => shape.reduce((p, d) => p * d, 1);
  return {
    shapes: { a: aShape, b: bShape },
    inputs: { a: seededValues(count(aShape), 2), b: seededValues(count(bShape), 3).map((v) => v + bOffset) },
    build: (_: Graph, { a, b }: Record<string, Tensor>) => op(a as Tensor, b as Tensor),
  };
};

const three = (shapes: number[][], op: (a: Tensor, b: Tensor, c: Tensor) => Tensor) => ({
  shapes: Object.fromEntries(shapes.map((shape, i) => [`t${i}`, shape])),
  inputs: Object.fromEntries(shapes.map((shape, i) => [`t${i}`, seededValues(shape.reduce((p, d) => p * d, 1), 10 + i)])),
  build: (_: Graph, t: Record<string, Tensor>) => op(t["t0"] as Tensor, t["t1"] as Tensor, t["t2"] as Tensor),
});

const cases: Record<string, Parameters<typeof gradientError>[0]> = {
  add: two([2, 3], [3], ops.add),
  "add, both sides broadcast": two([2, 1], [1, 3], ops.add),
  sub: two([2, 3], [2, 1], ops.sub),
  mul: two([2, 3], [3], ops.mul),
  div: two([2, 3], [1, 3], ops.div, 2.5),
  scale: unaryOf((x) => ops.scale(x, -0.7)),
  shift: unaryOf((x) => ops.shift(x, 3)),
  neg: unaryOf(ops.neg),
  exp: unaryOf(ops.exp),
  log: unaryOf(ops.log, 3),
  sqrt: unaryOf(ops.sqrt, 3),
  tanh: unaryOf(ops.tanh),
  sigmoid: unaryOf(ops.sigmoid),
  softplus: unaryOf(ops.softplus),
  silu: unaryOf(ops.silu),
  quickGelu: unaryOf(ops.quickGelu),
  geluTanh: unaryOf(ops.geluTanh, 0, 3),
  geluErf: unaryOf(ops.geluErf, 0, 3),
  broadcastTo: { ...unaryOf((x) => ops.broadcastTo(x, [4, 2, 3])) },
  "reduceSum over one axis": unaryOf((x) => ops.reduceSum(x, [0])),
  "reduceMean keeping dimensions": unaryOf((x) => ops.reduceMean(x, [-1], true)),
  reshape: unaryOf((x) => ops.reshape(x, [3, 2])),
  transpose: unaryOf((x) => ops.transpose(x, [1, 0])),
  concat: two([2, 3], [2, 1], (a, b) => ops.concat([a, b], 1)),
  slice: unaryOf((x) => ops.slice(x, 1, 1, 3)),
  matmul: two([2, 3, 4], [4, 2], (a, b) => ops.matmul(a, b)),
  "matmul, a transposed": two([2, 4, 3], [2, 4, 2], (a, b) => ops.matmul(a, b, { transposeA: true, alpha: 0.5 })),
  "matmul, b transposed": two([2, 3, 4], [2, 5, 4], (a, b) => ops.matmul(a, b, { transposeB: true })),
  "matmul, both transposed": two([4, 3], [5, 4], (a, b) => ops.matmul(a, b, { transposeA: true, transposeB: true })),
  linear: three([[2, 3, 4], [5, 4], [5]], (x, w, b) => ops.linear(x, w, b)),
  "linear without bias": two([3, 4], [5, 4], (x, w) => ops.linear(x, w)),
  lowRankSum: three([[5, 4], [2, 4], [5, 2]], (weight, down, up) => ops.lowRankSum(weight, { down, up, factor: 0.7 })),
  layerNorm: three([[2, 2, 5], [5], [5]], (x, g, b) => ops.layerNorm(x, g, b, 1e-2)),
  rmsNorm: two([2, 2, 5], [5], (x, g) => ops.rmsNorm(x, g, 1e-2)),
  l2Normalize: unaryOf(ops.l2Normalize, 1),
  softmax: unaryOf(ops.softmax),
  attention: three([[2, 3, 4], [2, 5, 4], [2, 5, 4]], (q, k, v) => ops.attention(q, k, v, { heads: 2 })),
  "attention with one query for the whole batch": three([[1, 1, 4], [2, 3, 4], [2, 3, 4]], (q, k, v) => ops.attention(q, k, v, { heads: 2 })),
  "attention of four heads over two of keys and values": three([[2, 3, 8], [2, 5, 4], [2, 5, 4]], (q, k, v) => ops.attention(q, k, v, { heads: 4, keyValueHeads: 2, scale: 0.9 })),
  "attention under a bias": three([[1, 3, 4], [1, 3, 4], [1, 3, 4]], (q, k, v) =>
    ops.attention(q, k, v, { heads: 2, bias: q.graph.weight("hide", "float32", [3, 3], Float32Array.of(0, -9, -9, 0, 0, -9, 0, 0, 0)) }),
  ),
  rotaryEmbedding: {
    shapes: { x: [1, 2, 8] },
    inputs: { x: seededValues(16, 7) },
    build: (graph, { x }) => {
      const angles = seededValues(4, 8);
      const table = (name: string, f: (a: number) => number) => graph.weight(name, "float32", [2, 2], angles.map(f));
      return ops.rotaryEmbedding(x as Tensor, table("cos", Math.cos), table("sin", Math.sin), 2);
    },
  },
  "rotaryEmbedding of neighbours": {
    shapes: { x: [1, 2, 8] },
    inputs: { x: seededValues(16, 7) },
    build: (graph, { x }) => {
      const angles = seededValues(4, 8);
      const table = (name: string, f: (a: number) => number) => graph.weight(name, "float32", [2, 2], angles.map(f));
      return ops.rotaryEmbedding(x as Tensor, table("cos", Math.cos), table("sin", Math.sin), 2, true);
    },
  },
  padFront: unaryOf((x) => ops.padFront(x, 1, 2)),
  tokensAt: two([2, 3, 4], [2, 1], (x, y) => ops.mul(ops.tokensAt(x, x.graph.int64s([2, 0])), y)),
  gatherRows: unaryOf((x) => ops.gatherRows(x, x.graph.int64s([1, 0, 1, 1]))),
  softmaxCrossEntropy: {
    ...unaryOf((x) =>
      ops.softmaxCrossEntropy(x, x.graph.int64s([2, 0]), x.graph.weight("rows", "float32", [2], Float32Array.of(1, 0.5))),
    ),
  },
};

describe("the gradient of every operation agrees with finite differences", () => {
  it.each(Object.entries(cases))("%s", async (_, gradientCase) => {
    expect(await gradientError(gradientCase)).toBeLessThan(1e-3);
  });

  it("covers every exported operation that builds nodes", async () => {
    const folder = new URL("../src/ops/", import.meta.url);
    const files = readdirSync(folder).filter((file) => file.endsWith(".ts"));
    const modules = await Promise.all(files.map((file) => import(new URL(file, folder).href) as Promise<Record<string, unknown>>));
    const notDifferentiable = ["multiplyDims", "fusedAttention", "sumTo", "cast", "firstPlaceOf", "placeOfLargest"];
    const operations = modules.flatMap((module) => Object.keys(module)).filter((name) => name in ops && !notDifferentiable.includes(name));
    const covered = Object.keys(cases).map((name) => name.split(/[ ,]/)[0]);
    expect(operations.length).toBeGreaterThan(30);
    expect(operations.filter((name) => !covered.includes(name))).toEqual([]);
  });
});

describe("grad", () => {
  it("adds the gradients of a value that is used twice", async () => {
    expect(await gradientError(unaryOf((x) => ops.mul(ops.add(x, x), x)))).toBeLessThan(1e-3);
  });

  it("refuses a loss that is not a scalar", () => {
    const graph = new ops.Graph();
    const x = graph.input("x", "float32", [2]);
    expect(() => ops.grad(ops.exp(x), [x])).toThrow("grad: expected a scalar loss, got shape [2]");
  });

  it("names a tensor that the loss does not depend on", () => {
    const graph = new ops.Graph();
    const x = graph.input("x", "float32", [2]);
    const other = graph.input("other", "float32", [2]);
    expect(() => ops.grad(ops.reduceSum(x), [other])).toThrow('grad: the loss does not depend on "other"');
  });
});
