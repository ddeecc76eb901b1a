import { describe, expect, it } from "vitest";
import { attention, fusedAttention, geluErf, geluTanh, Graph, layerNorm, linear, matmul, openSession, quickGelu, rewriteGraph, type Node, type Tensor, type TensorValue } from "../src/index.js";
import { attentionIsRight } from "../src/webgpu/attention-check.js";
import { webgpuGraph } from "../src/webgpu/webgpu-graph.js";
import { furthest, seededInput } from "./seeded-input.js";
import { describeWebgpu } from "./webgpu-tests.js";

// Sums in another order: values of up to 10 over up to 200 terms.
const tolerance = 2e-5;

type Input = (...shape: readonly (number | string)[]) => Tensor;

function built(build: (input: Input) => Tensor): { graph: Graph; feeds: Record<string, TensorValue> } {
  const graph = new Graph();
  const feeds: Record<string, TensorValue> = {};
  graph.output("y", build((...shape) => seededInput(graph, feeds, shape)));
  return { graph, feeds };
}

const attentions: readonly [string, (input: Input) => Tensor][] = [
  ["4 heads of 16 over 49 tokens", (input) => fusedAttention(input("B", 49, 64), input("B", 49, 64), input("B", 49, 64), { heads: 4 })],
  ["2 heads of 72 over 100 tokens", (input) => fusedAttention(input("B", 100, 144), input("B", 100, 144), input("B", 100, 144), { heads: 2 })],
  ["a few tokens", (input) => fusedAttention(input("B", 4, 32), input("B", 4, 32), input("B", 4, 32), { heads: 2 })],
  ["a bias of each key", (input) => fusedAttention(input("B", 40, 32), input("B", 40, 32), input("B", 40, 32), { heads: 2, bias: input("B", 1, 40, 40) })],
  ["a bias of each head", (input) => fusedAttention(input("B", 9, 32), input("B", 9, 32), input("B", 9, 32), { heads: 2, bias: input(1, 2, 9, 9) })],
];

const products: readonly [string, (input: Input) => Tensor][] = [
  ["a transposed", (input) => matmul(input("B", 7, 5), input("B", 7, 3), { transposeA: true })],
  ["b transposed and scaled", (input) => matmul(input("B", 2, 5, 7), input("B", 2, 3, 7), { transposeB: true, alpha: 0.25 })],
  ["both transposed", (input) => matmul(input(7, 5), input(3, 7), { transposeA: true, transposeB: true, alpha: 2 })],
  ["plain attention", (input) => attention(input(1, 1, 32), input("B", 49, 32), input("B", 49, 32), { heads: 2 })],
];

describe("a graph for WebGPU", () => {
  it.each([...attentions, ...products])("computes the same in plain nodes: %s", async (_, build) => {
    const { graph, feeds } = built(build);
    const plain = await webgpuGraph(graph, async () => false);
    expect(plain.nodes.filter(({ domain }) => domain === "com.microsoft")).toEqual([]);
    await using original = await openSession(graph, { device: "cpu", threads: 1 });
    await using rewritten = await openSession(plain, { device: "cpu", threads: 1 });
    expect(furthest((await rewritten.run(feeds))["y"], (await original.run(feeds))["y"])).toBeLessThan(tolerance);
  });

  it("keeps attention that is right", async () => {
    const { graph } = built((input) => fusedAttention(input("B", 4, 32), input("B", 4, 32), input("B", 4, 32), { heads: 2 }));
    expect(await webgpuGraph(graph, async () => true)).toBe(graph);
  });
});

describe("the check of fused attention", () => {
  const nodeOf = (tokens: number): Node => built((input) => fusedAttention(input("B", tokens, 8), input("B", tokens, 8), input("B", tokens, 8), { heads: 2 })).graph.nodes[0] as Node;

  it("passes a device that computes it, and tries a shape once", async () => {
    let opened = 0;
    const open = (graph: Graph): ReturnType<typeof openSession> => {
      opened++;
      return openSession(graph, { device: "cpu", threads: 1 });
    };
    expect([await attentionIsRight(nodeOf(5), open), await attentionIsRight(nodeOf(5), open)]).toEqual([true, true]);
    expect(opened).toBe(1);
  });

  it("fails one that computes something else, and one that breaks", async () => {
    const wrong = (graph: Graph): ReturnType<typeof openSession> =>
      openSession(
        rewriteGraph(graph, (node, copyOf, into) =>
          node.op === "MultiHeadAttention" ? [into.node1("Mul", [copyOf(node.inputs[0] as Tensor), into.scalar(0.9)], { shape: node.outputs[0]?.shape ?? [] })] : undefined,
        ),
        { device: "cpu", threads: 1 },
      );
    expect(await attentionIsRight(nodeOf(6), wrong)).toBe(false);
    expect(await attentionIsRight(nodeOf(7), () => Promise.reject(new Error("device lost")))).toBe(false);
  });
});

describeWebgpu("WebGPU", () => {
  const layers: readonly [string, (input: Input) => Tensor][] = [
    ["linear, LayerNormalization and tanh GELU", (input) => geluTanh(linear(layerNorm(input("B", 33, 72), input(72), input(72), 1e-6), input(100, 72), input(100)))],
    ["exact GELU and QuickGELU", (input) => quickGelu(geluErf(input("B", 5, 30)))],
  ];

  it.each([...attentions, ...products, ...layers])("agrees with the CPU to 2e-5 and leaves it no node: %s", async (_, build) => {
    const { graph, feeds } = built(build);
    await using cpu = await openSession(graph, { device: "cpu", threads: 1 });
    await using webgpu = await openSession(graph, { device: "webgpu", placement: true });
    expect(furthest((await webgpu.run(feeds))["y"], (await cpu.run(feeds))["y"])).toBeLessThan(tolerance);
    const placement = await webgpu.placement();
    expect(placement).toMatchObject({ device: "webgpu", fallback: {}, copies: 0 });
    expect(placement.onDevice).toBe(placement.nodes);
  });

  it("counts a node that the provider lacks, and its copies", async () => {
    const { graph, feeds } = built((input) => {
      const x = matmul(input(4, 4), input(4, 4));
      return x.graph.node1("Mul", [x, x.graph.node1("Det", [x], { shape: [] })], { shape: [4, 4] });
    });
    await using cpu = await openSession(graph, { device: "cpu", threads: 1 });
    await using webgpu = await openSession(graph, { device: "webgpu", placement: true });
    expect(furthest((await webgpu.run(feeds))["y"], (await cpu.run(feeds))["y"])).toBeLessThan(tolerance);
    expect(await webgpu.placement()).toEqual({ device: "webgpu", nodes: 3, onDevice: 2, fallback: { Det: 1 }, copies: 2 });
  });
});
