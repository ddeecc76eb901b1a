import { Graph, openSession } from "@sightline/graph";
import { describe, expect, it } from "vitest";

import { sigmoidLoss } from "../../src/index.js";

interface Pairs {
  readonly images: readonly (readonly number[])[];
  readonly texts: readonly (readonly number[])[];
  readonly labels: readonly (readonly number[])[];
  /** t, not its logarithm. */
  readonly t: number;
  readonly b: number;
}

async function lossOf({ images, texts, labels, t, b }: Pairs): Promise<number> {
  const graph = new Graph();
  const matrix = (name: string, rows: readonly (readonly number[])[]): ReturnType<Graph["weight"]> =>
    graph.weight(name, "float32", [rows.length, rows[0]!.length], Float32Array.from(rows.flat()));
  const scalar = (name: string, value: number): ReturnType<Graph["weight"]> => graph.weight(name, "float32", [1], Float32Array.of(value));
  const loss = sigmoidLoss(matrix("images", images), matrix("texts", texts), matrix("labels", labels), scalar("t'", Math.log(t)), scalar("b", b));
  graph.output("loss", loss);
  await using session = await openSession(graph, { device: "cpu", threads: 1 });
  return ((await session.run({}))["loss"]!.data as Float32Array)[0]!;
}

function softplus(x: number): number {
  return Math.log1p(Math.exp(x));
}

describe("sigmoidLoss", () => {
  it("starts at 10.003 for 64 pairs that know nothing of each other, t = 10 and b = -10", async () => {
    const labels = Array.from({ length: 64 }, (_, i) => Array.from({ length: 64 }, (_unused, j) => (i === j ? 1 : -1)));
    const loss = await lossOf({ images: Array<number[]>(64).fill([1, 0]), texts: Array<number[]>(64).fill([0, 1]), labels, t: 10, b: -10 });
    // Each image: one pair that is wrong by 10, 63 that are right by 10.
    expect(loss).toBeCloseTo(softplus(10) + 63 * softplus(-10), 4);
    expect(loss).toBeCloseTo(10.003, 3);
  });

  it("is what two pairs give by hand", async () => {
    // Cosines [[1, 0], [0.6, 0.8]], whatever the lengths.
    const loss = await lossOf({ images: [[3, 0], [6, 8]], texts: [[2, 0], [0, 0.5]], labels: [[1, -1], [-1, 1]], t: 2, b: -0.5 });
    const logits = [[1.5, -0.5], [0.7, 1.1]] as const;
    const want = (softplus(-logits[0][0]) + softplus(logits[0][1]) + softplus(logits[1][0]) + softplus(-logits[1][1])) / 2;
    expect(loss).toBeCloseTo(want, 5);
  });

  it("does not count pairs labelled 0", async () => {
    const two = { images: [[3, 0], [6, 8]], texts: [[2, 0]], t: 2, b: -0.5 };
    const counted = await lossOf({ ...two, labels: [[1], [0]] });
    expect(counted).toBeCloseTo(softplus(-1.5) / 2, 5);
    expect(await lossOf({ ...two, labels: [[0], [0]] })).toBe(0);
  });

  it("takes more texts than images, and one text that is true of both", async () => {
    const loss = await lossOf({ images: [[1, 0], [1, 0]], texts: [[1, 0], [0, 1], [-1, 0]], labels: [[1, -1, -1], [1, -1, -1]], t: 1, b: 0 });
    expect(loss).toBeCloseTo(softplus(-1) + softplus(0) + softplus(-1), 5);
  });

  it("stays finite where a pair is wrong by far", async () => {
    expect(await lossOf({ images: [[1, 0]], texts: [[1, 0]], labels: [[-1]], t: 500, b: 0 })).toBeCloseTo(500, 3);
  });

  it("refuses labels of another shape", () => {
    const graph = new Graph();
    const rows = (name: string, count: number): ReturnType<Graph["input"]> => graph.input(name, "float32", [count, 4]);
    const scalar = graph.input("s", "float32", [1]);
    expect(() => sigmoidLoss(rows("images", 2), rows("texts", 3), graph.input("labels", "float32", [3, 2]), scalar, scalar))
      .toThrow("sigmoidLoss: expected labels [2, 3], got [3, 2]");
  });
});
