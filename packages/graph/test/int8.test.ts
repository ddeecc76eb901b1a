import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { add, Graph, layerNorm, linear, measureLinears, openSession, planInt8, quantizeLinears, rewriteGraph, type Int8Layer, type Tensor, type TensorValue } from "../src/index.js";
import { quantizeWeight } from "../src/int8/quantize-weight.js";
import { seededValues } from "./finite-differences.js";

const cpu = { device: "cpu", threads: 1 } as const;

describe("quantizeWeight", () => {
  it("gives each output channel the scale of its largest weight, and stores the transpose", () => {
    const { values, scales } = quantizeWeight(Float32Array.of(1.27, -0.5, 0.004, /**/ -25.4, 0.2, 12.6), 2, 3);
    expect([...scales].map((scale) => scale.toFixed(4))).toEqual(["0.0100", "0.2000"]);
    expect([...values]).toEqual([127, -127, -50, 1, 0, 63]);
  });

  it("keeps zeros as zeros", () => {
    expect([...quantizeWeight(new Float32Array(6), 2, 3).values]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it("is never further off than half a step", () => {
    const matrix = fc
      .tuple(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 70 }))
      .chain(([rows, columns]) => fc.tuple(fc.constant(rows), fc.constant(columns), fc.float32Array({ minLength: rows * columns, maxLength: rows * columns, noNaN: true, min: -1e6, max: 1e6 })));
    fc.assert(
      fc.property(matrix, ([rows, columns, weight]) => {
        const { values, scales } = quantizeWeight(weight, rows, columns);
        for (let out = 0; out < rows; out++) {
          const scale = scales[out] as number;
          for (let i = 0; i < columns; i++) {
            const off = Math.abs((weight[out * columns + i] as number) - (values[i * rows + out] as number) * scale);
            expect(off).toBeLessThanOrEqual(scale * 0.5001);
          }
        }
      }),
      { numRuns: 50 },
    );
  });
});

const rows = 24;
const width = 48;
const wide = 80;

/** Two linear layers over normed rows, one residual, and one layer over a single row. */
function towerGraph(inputs: Float32Array, weightSeed: number): { graph: Graph; feeds: Record<string, TensorValue> } {
  const graph = new Graph();
  const matrix = (name: string, out: number, into: number): Tensor => graph.weight(name, "float32", [out, into], seededValues(out * into, weightSeed + name.length).map((v) => v / Math.sqrt(into)));
  const x = graph.input("x", "float32", [rows, width]);
  const normed = layerNorm(x, graph.weight("gain", "float32", [width], inputs.slice(0, width)), graph.weight("bias", "float32", [width], new Float32Array(width)), 1e-6);
  const hidden = linear(normed, matrix("first", wide, width), graph.weight("firstBias", "float32", [wide], seededValues(wide, 5)));
  graph.output("y", add(x, linear(hidden, matrix("second!", width, wide))));
  const one = graph.input("one", "float32", [1, width]);
  graph.output("pooled", linear(one, matrix("head-of-one-row", width, width)));
  const values = (count: number, seed: number): Float32Array => seededValues(count, seed);
  return {
    graph,
    feeds: { x: { dtype: "float32", shape: [rows, width], data: values(rows * width, 3) }, one: { dtype: "float32", shape: [1, width], data: values(width, 4) } },
  };
}

const ordinaryGains = new Float32Array(width).fill(1);
const outlierChannels = [5, 30];
const outlierGains = ordinaryGains.map((gain, i) => (outlierChannels.includes(i) ? 200 : gain));

async function run(graph: Graph, feeds: Record<string, TensorValue>): Promise<Float32Array> {
  await using session = await openSession(graph, cpu);
  return (await session.run(feeds))["y"]?.data as Float32Array;
}

/** Power of the difference over the power of the first. */
function noise(exact: Float32Array, other: Float32Array): number {
  let difference = 0;
  let power = 0;
  exact.forEach((value, i) => {
    difference += (value - (other[i] as number)) ** 2;
    power += value ** 2;
  });
  return difference / power;
}

describe("measureLinears", () => {
  it("sees what goes through each layer, and gives the graph's own results", async () => {
    const { graph, feeds } = towerGraph(ordinaryGains, 10);
    const { statistics, results } = await measureLinears(graph, [feeds, feeds], cpu);
    expect([...statistics.keys()]).toEqual(["first", "second!", "head-of-one-row"]);
    const head = statistics.get("head-of-one-row");
    const one = [...((feeds["one"] as TensorValue).data as Float32Array)];
    expect(head?.rows).toBe(1);
    expect([...(head?.greatest ?? [])]).toEqual(one);
    expect([...(head?.least ?? [])]).toEqual(one);
    expect(head?.meanSquare[7]).toBeCloseTo((one[7] as number) ** 2, 6);
    // A layer norm of gain 1 gives rows of mean square 1.
    expect(statistics.get("first")?.meanSquare.reduce((sum, value) => sum + value / width, 0)).toBeCloseTo(1, 3);
    expect(noise(await run(graph, feeds), results[1]?.["y"]?.data as Float32Array)).toBeLessThan(1e-12);
  });
});

describe("planInt8", () => {
  it("takes layers of many rows, and sets aside the channels that would take the range from the others", async () => {
    const plan = async (gains: Float32Array): Promise<Map<string, Int8Layer>> => {
      const { graph, feeds } = towerGraph(gains, 10);
      return planInt8((await measureLinears(graph, [feeds], cpu)).statistics);
    };
    const ordinary = await plan(ordinaryGains);
    expect([...ordinary.keys()]).toEqual(["first", "second!"]);
    expect(ordinary.get("first")?.outliers).toEqual([]);
    const planted = await plan(outlierGains);
    expect(planted.get("first")?.outliers).toEqual(outlierChannels);
  });

  it("leaves a layer in float32 when too many of its channels are outliers", () => {
    const channels = 64;
    const large = (share: number): Float32Array => Float32Array.from({ length: channels }, (_, i) => (i < channels * share ? 1000 * (i + 1) : 1));
    const seen = (greatest: Float32Array) => ({ greatest, least: greatest.map((v) => -v), meanSquare: greatest.map((v, i) => (v > 1 ? 1e-3 : 1 + i / 1e3)), rows });
    expect(planInt8(new Map([["few", seen(large(1 / 32))]])).get("few")?.outliers).toEqual([0, 1]);
    expect(planInt8(new Map([["many", seen(large(1 / 4))]])).size).toBe(0);
  });
});

describe("quantizeLinears", () => {
  it.each([
    ["ordinary channels", ordinaryGains],
    ["outlier channels", outlierGains],
  ])("adds little noise with %s", async (_, gains) => {
    const { graph, feeds } = towerGraph(gains, 10);
    const plan = planInt8((await measureLinears(graph, [feeds], cpu)).statistics);
    const int8 = quantizeLinears(graph, plan);
    expect(int8.nodes.filter(({ op }) => op === "DynamicQuantizeMatMul")).toHaveLength(2);
    expect(noise(await run(graph, feeds), await run(int8, feeds))).toBeLessThan(1e-3);
  });

  it("needs the plan's outliers: without them the rest of the channels drowns", async () => {
    const { graph, feeds } = towerGraph(outlierGains, 10);
    // The outliers' own weights are zero, so only the other channels show in the result.
    const first = graph.weights.find(({ tensor }) => tensor.name === "first")?.data as Float32Array;
    first.forEach((_, i) => outlierChannels.includes(i % width) && (first[i] = 0));
    const plan = planInt8((await measureLinears(graph, [feeds], cpu)).statistics);
    const blind = new Map([...plan].map(([name, layer]) => [name, { ...layer, outliers: [] }]));
    const exact = await run(graph, feeds);
    expect(noise(exact, await run(quantizeLinears(graph, plan), feeds))).toBeLessThan(1e-3);
    expect(noise(exact, await run(quantizeLinears(graph, blind), feeds))).toBeGreaterThan(2e-2);
  });

  it("keeps int8 weights only: the float32 ones stay behind", async () => {
    const { graph, feeds } = towerGraph(ordinaryGains, 10);
    const int8 = quantizeLinears(graph, planInt8((await measureLinears(graph, [feeds], cpu)).statistics));
    const names = int8.weights.map(({ tensor }) => tensor.name);
    expect(names).toContain("first.int8");
    expect(names).not.toContain("first");
    expect(names).toContain("head-of-one-row");
  });
});

describe("rewriteGraph", () => {
  it("copies a graph that it is asked to change nothing of", async () => {
    const { graph, feeds } = towerGraph(ordinaryGains, 10);
    const copy = rewriteGraph(graph, () => undefined);
    expect(copy.nodes.map(({ op }) => op)).toEqual(graph.nodes.map(({ op }) => op));
    expect([...(await run(copy, feeds))]).toEqual([...(await run(graph, feeds))]);
  });
});
