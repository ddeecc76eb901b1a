import { describe, expect, it } from "vitest";
import { firstPlaceOf, Graph, openSession, padFront, placeOfLargest, rotaryEmbedding, tokensAt, type Tensor } from "../src/index.js";

const ids = BigInt64Array.of(5n, 9n, 2n, 9n, 2n, 2n, 7n, 1n);

async function onIds(build: (ids: Tensor) => Tensor): Promise<unknown[]> {
  const graph = new Graph();
  graph.output("y", build(graph.input("ids", "int64", ["B", 4])));
  await using session = await openSession(graph, { device: "cpu" });
  const { y } = await session.run({ ids: { dtype: "int64", shape: [2, 4], data: ids } });
  return Array.from(y!.data as ArrayLike<number | bigint>);
}

describe("tokens picked out of sequences", () => {
  it("finds the first place of an id, and 0 where it is missing", async () => {
    expect(await onIds((x) => firstPlaceOf(x, 2))).toEqual([2n, 0n]);
    expect(await onIds((x) => firstPlaceOf(x, 7))).toEqual([0n, 2n]);
  });

  it("finds the first place of the largest id", async () => {
    expect(await onIds(placeOfLargest)).toEqual([1n, 2n]);
  });

  it("takes each sequence's own token, to the bit", async () => {
    const values = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i) * 10 ** ((i % 9) - 4));
    const picked = await onIds((x) => tokensAt(concatRows(x.graph, values), placeOfLargest(x)));
    expect(picked).toEqual([...values.subarray(3, 6), ...values.subarray(18, 21)]);
  });

  it("refuses ids that are none", () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", [2, 3]);
    expect(() => firstPlaceOf(x, 1)).toThrow("firstPlaceOf: expected int64 ids [B, T], got float32[2, 3]");
    expect(() => tokensAt(x, x)).toThrow("tokensAt: expected tokens [B, T, D] and places [B], got [2, 3] and [2, 3]");
    expect(() => padFront(x, 0, -1)).toThrow("padFront: expected a count of at least 0, got -1");
  });
});

function concatRows(graph: Graph, values: Float32Array): Tensor {
  // The batch of the values must be the batch of the ids, which has a name and no number.
  const rows = graph.weight("rows", "float32", [2, 4, 3], values);
  return graph.node1("Identity", [rows], { shape: ["B", 4, 3] });
}

it("turns neighbours together where the rotation is interleaved", async () => {
  const graph = new Graph();
  const table = (name: string, value: number): Tensor => graph.weight(name, "float32", [1, 2], Float32Array.of(value, 1 - value));
  const x = graph.weight("x", "float32", [1, 1, 4], Float32Array.of(1, 2, 3, 4));
  // The first pair by a quarter turn, the second not at all.
  graph.output("y", rotaryEmbedding(x, table("cos", 0), table("sin", 1), 1, true));
  await using session = await openSession(graph, { device: "cpu" });
  const { y } = await session.run({});
  expect(Array.from(y!.data as Float32Array)).toEqual([-2, 1, 3, 4]);
});
