import { describe, expect, it } from "vitest";
import { add, Graph, GraphError, linear, openSession, reduceSum, scale, type Session, type TensorValue } from "../src/index.js";

const floats = (shape: readonly number[], ...values: number[]): TensorValue => ({ dtype: "float32", shape, data: Float32Array.from(values) });

const cpu = { device: "cpu", threads: 1 } as const;

/** y = 2x + z over float32[B, 2], and the sum of x. */
function openDouble(): Promise<Session> {
  const graph = new Graph();
  const x = graph.input("x", "float32", ["B", 2]);
  const z = graph.input("z", "float32", ["B", 2]);
  graph.output("y", add(scale(x, 2), z));
  graph.output("total", reduceSum(x, [0, 1]));
  return openSession(graph, cpu);
}

describe("Session.run", () => {
  it("takes any size of a symbolic dimension", async () => {
    await using session = await openDouble();
    const one = await session.run({ x: floats([1, 2], 1, 2), z: floats([1, 2], 10, 20) });
    expect(one["y"]).toEqual(floats([1, 2], 12, 24));
    const three = await session.run({ x: floats([3, 2], 1, 2, 3, 4, 5, 6), z: floats([3, 2], 0, 0, 0, 0, 0, 1) });
    expect(three["y"]).toEqual(floats([3, 2], 2, 4, 6, 8, 10, 13));
    expect(three["total"]).toEqual(floats([], 21));
  });

  it("keeps overlapping runs apart", async () => {
    await using session = await openDouble();
    const results = await Promise.all([1, 2, 3, 4].map((n) => session.run({ x: floats([1, 2], n, n), z: floats([1, 2], 0, 0) })));
    expect(results.map((result) => result["y"]?.data[0])).toEqual([2, 4, 6, 8]);
  });

  it("writes an output into the buffer that it is given", async () => {
    await using session = await openDouble();
    const y = floats([1, 2], 0, 0);
    await session.run({ x: floats([1, 2], 3, 4), z: floats([1, 2], 1, 1) }, { y });
    expect([...(y.data as Float32Array)]).toEqual([7, 9]);
  });

  it.each<[string, Record<string, TensorValue>, RegExp]>([
    ["a missing input", { x: floats([1, 2], 1, 2) }, /input "z" is missing/],
    ["an unknown input", { x: floats([1, 2], 1, 2), z: floats([1, 2], 1, 2), w: floats([1], 1) }, /no input "w"; expected x, z/],
    ["another rank", { x: floats([2], 1, 2), z: floats([1, 2], 1, 2) }, /"x" expected float32\[B, 2\], got float32\[2\]/],
    ["another width", { x: floats([1, 3], 1, 2, 3), z: floats([1, 2], 1, 2) }, /"x" expected float32\[B, 2\], got float32\[1, 3\]/],
    ["another type", { x: { dtype: "int32", shape: [1, 2], data: Int32Array.of(1, 2) }, z: floats([1, 2], 1, 2) }, /got int32\[1, 2\]/],
    ["too few elements", { x: floats([2, 2], 1, 2), z: floats([2, 2], 1, 2, 3, 4) }, /"x".*with 2 elements/],
    ["two batch sizes at once", { x: floats([1, 2], 1, 2), z: floats([2, 2], 1, 2, 3, 4) }, /"z" expected float32\[B, 2\], got float32\[2, 2\]/],
  ])("refuses %s", async (_, inputs, message) => {
    await using session = await openDouble();
    const failure = session.run(inputs);
    await expect(failure).rejects.toThrow(GraphError);
    await expect(failure).rejects.toThrow(message);
  });
});

describe("Session dispose", () => {
  it("waits for a run under way, and a second dispose for the same end", async () => {
    const session = await openDouble();
    let finished = false;
    const run = session.run({ x: floats([1, 2], 1, 2), z: floats([1, 2], 0, 0) }).then((result) => {
      finished = true;
      return result;
    });
    await Promise.all([session[Symbol.asyncDispose](), session[Symbol.asyncDispose]()]);
    expect(finished).toBe(true);
    expect((await run)["y"]).toEqual(floats([1, 2], 2, 4));
  });

  it("makes later runs an error that says so", async () => {
    const session = await openDouble();
    await session[Symbol.asyncDispose]();
    await expect(session.run({ x: floats([1, 2], 1, 2), z: floats([1, 2], 0, 0) })).rejects.toThrow(/the session is disposed/);
  });
});

describe("openSession", () => {
  it("gives inputs, weights and one tensor under two names as outputs", async () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", [2]);
    const weight = graph.weight("w", "float32", [2], Float32Array.of(5, 6));
    const sum = add(x, weight);
    graph.output("same", x);
    graph.output("weight", weight);
    graph.output("first", sum);
    graph.output("second", sum);
    await using session = await openSession(graph, cpu);
    const results = await session.run({ x: floats([2], 1, 2) });
    expect(Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, [...(data as Float32Array)]]))).toEqual({
      same: [1, 2],
      weight: [5, 6],
      first: [6, 8],
      second: [6, 8],
    });
  });

  it("names the device when ONNX Runtime refuses the graph", async () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", [2]);
    graph.output("y", graph.node1("NoSuchOperation", [x], { shape: [2] }));
    await expect(openSession(graph, cpu)).rejects.toThrow(/openSession: cpu could not open the graph: .*NoSuchOperation/);
  });

  it("opens on some device when told to choose", async () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", ["B", 2]);
    graph.output("y", linear(x, graph.weight("w", "float32", [1, 2], Float32Array.of(1, 10))));
    await using session = await openSession(graph, { device: "auto", threads: 1 });
    expect((await session.run({ x: floats([1, 2], 3, 4) }))["y"]?.data[0]).toBeCloseTo(43, 4);
  });
});
