import { describe, expect, it } from "vitest";

import { Graph, grad, linear, lowRankSum, matmul, openSession, reduceSum, slice, type Tensor, type TensorValue } from "../src/index.js";
import { gradientError, seededValues } from "./finite-differences.js";

const shapes = { x: [2, 3, 4], weight: [5, 4], down: [2, 4], up: [5, 2], bias: [5] };
const inputs = Object.fromEntries(Object.entries(shapes).map(([name, shape], i) => [name, seededValues(shape.reduce((a, b) => a * b), i + 1)]));
type Tensors = Readonly<Record<string, Tensor>>;

const changed = (t: Tensors): Tensor => lowRankSum(t["weight"]!, { down: t["down"]!, up: t["up"]!, factor: 0.7 });

describe("lowRankSum", () => {
  it.each([
    ["under a linear", (t: Tensors) => linear(t["x"]!, changed(t), t["bias"]!)],
    ["under a linear without a bias", (t: Tensors) => linear(t["x"]!, changed(t))],
    ["cut out of a packed matrix", (t: Tensors) => linear(t["x"]!, slice(changed(t), 0, 1, 3))],
    ["in a product", (t: Tensors) => matmul(t["x"]!, changed(t), { transposeB: true })],
  ])("has the derivatives of its finite differences %s", async (name, build) => {
    const used = name === "under a linear" ? Object.keys(shapes) : ["x", "weight", "down", "up"];
    const pick = <T>(from: Readonly<Record<string, T>>): Record<string, T> => Object.fromEntries(used.map((key) => [key, from[key]!]));
    expect(await gradientError({ inputs: pick(inputs), shapes: pick(shapes), build: (_, tensors) => build(tensors) })).toBeLessThan(1e-4);
  });

  it("is the sum of the weight and the product, whichever way it goes", async () => {
    const graph = new Graph();
    const t = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, graph.input(name, "float32", shape)]));
    graph.output("through the rank", linear(t["x"]!, changed(t)));
    graph.output("through the sum", matmul(t["x"]!, changed(t), { transposeB: true }));
    await using session = await openSession(graph, { device: "cpu", threads: 1 });
    const results = await session.run(Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, { dtype: "float32" as const, shape, data: inputs[name]! }])));
    const [rank, sum] = ["through the rank", "through the sum"].map((name) => [...(results[name]!.data as Float32Array)]) as [number[], number[]];
    rank.forEach((value, i) => expect(value).toBeCloseTo(sum[i]!, 5));
  });

  it("needs no gradient of the weight under a linear", () => {
    const graph = new Graph();
    const t = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, graph.input(name, "float32", shape)]));
    grad(reduceSum(linear(t["x"]!, changed(t))), [t["down"]!, t["up"]!]).forEach((gradient, i) => graph.output(`d${i}`, gradient));
    // What the outputs need, found by walking back from them.
    const needed = new Set(graph.outputs.map(({ tensor }) => tensor));
    for (const node of [...graph.nodes].reverse()) if (node.outputs.some((output) => needed.has(output))) node.inputs.forEach((input) => input && needed.add(input));
    const made = graph.nodes.flatMap(({ outputs }) => outputs).filter((tensor) => needed.has(tensor) && tensor.shape.join() === "5,4");
    expect(made).toEqual([]);
  });

  it("drops about the share asked for, and keeps the mean", async () => {
    const graph = new Graph();
    const [rows, width] = [400, 50];
    const x = graph.input("x", "float32", [rows, width]);
    const weight = graph.weight("w", "float32", [width, width], new Float32Array(width * width));
    const identity = Float32Array.from({ length: width * width }, (_, i) => (i % (width + 1) === 0 ? 1 : 0));
    const dropout = { rate: 0.3, columns: graph.input("columns", "float32", [width]), rows: () => graph.input("rows", "float32", [rows, 1]) };
    const change = { down: graph.weight("a", "float32", [width, width], identity), up: graph.weight("b", "float32", [width, width], identity), factor: 1, dropout };
    graph.output("y", linear(x, lowRankSum(weight, change)));
    await using session = await openSession(graph, { device: "cpu", threads: 1 });
    const uniform = (shape: readonly number[], seed: number): TensorValue => ({ dtype: "float32", shape, data: seededValues(shape[0]!, seed).map((value) => (value + 1) / 2) });
    const { y } = await session.run({ x: { dtype: "float32", shape: [rows, width], data: new Float32Array(rows * width).fill(1) }, columns: uniform([width], 3), rows: uniform([rows, 1], 4) });
    const values = [...(y!.data as Float32Array)];
    expect(new Set(values.map((value) => value.toFixed(4)))).toEqual(new Set(["0.0000", (1 / 0.7).toFixed(4)]));
    expect(values.filter((value) => value === 0).length / values.length).toBeCloseTo(0.3, 1);
  });

  it("refuses factors that do not fit", () => {
    const graph = new Graph();
    const matrix = (name: string, shape: readonly number[]): Tensor => graph.input(name, "float32", shape);
    expect(() => lowRankSum(matrix("w", [5, 4]), { down: matrix("a", [2, 4]), up: matrix("b", [5, 3]), factor: 1 })).toThrow('lowRankSum: [5, 3] times [2, 4] does not fit "w" [5, 4]');
  });
});
