import { add, DeviceError, Graph, linear, matmul, openSession, reduceMean, softmax, toFloat16, type RunDevice, type Session } from "@sightline/graph";
import { narrowFloat16 } from "@sightline/weights";
import type { DeviceFacts, Finding } from "./probe.js";

const side = 64;
const speedSides = [128, 512, 2048];
const productsPerRun = 8;
/** How long each size is measured. */
const speedMs = 200;
/** A run of this length is more than the cost of starting one. */
const busyMs = 5;

/** Opens and runs small graphs on a device: whether it works, is right, has float16, and how fast it is. */
export async function tryDevice(device: RunDevice): Promise<Finding<DeviceFacts>> {
  const feeds = { x: { dtype: "float32", shape: [side, side], data: wave(side * side) } } as const;
  try {
    await using session = await openSession(threeNodes(), { device, placement: true, quiet: true });
    const [got, wanted] = [(await session.run(feeds))["y"]?.data as Float32Array, await onCpu(feeds)];
    const furthest = got.reduce((most, value, i) => Math.max(most, Math.abs(value - (wanted[i] as number))), 0);
    if (!(furthest < 1e-3)) return { usable: false, reason: `it computes other numbers than the CPU: they differ by ${furthest.toPrecision(2)} where values are below 1` };
    const { nodes, onDevice } = await session.placement();
    if (onDevice === 0) return { usable: false, reason: "every node of a small graph ran on the CPU instead" };
    return { usable: true, nodes, onDevice, float16: await hasFloat16(device), gflops: await speed(device) };
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    return { usable: false, reason: error.reason, ...(error.command === undefined ? {} : { command: error.command }) };
  }
}

/** softmax(x x + x) over float32[64, 64] */
function threeNodes(): Graph {
  const graph = new Graph();
  const x = graph.input("x", "float32", [side, side]);
  graph.output("y", softmax(add(matmul(x, x), x)));
  return graph;
}

async function onCpu(feeds: Parameters<Session["run"]>[0]): Promise<Float32Array> {
  await using session = await openSession(threeNodes(), { device: "cpu" });
  return (await session.run(feeds))["y"]?.data as Float32Array;
}

async function hasFloat16(device: RunDevice): Promise<boolean> {
  const graph = new Graph();
  const x = graph.input("x", "float32", [1, 2]);
  graph.output("y", linear(x, graph.weight("w", "float32", [1, 2], Float32Array.of(2, 3))));
  try {
    await using session = await openSession(toFloat16(graph, narrowFloat16), { device, placement: true, quiet: true });
    const { y } = await session.run({ x: { dtype: "float32", shape: [1, 2], data: Float32Array.of(10, 1) } });
    const { fallback } = await session.placement();
    return y?.data[0] === 23 && Object.keys(fallback).length === 0;
  } catch {
    return false;
  }
}

/** The speed of larger and larger products, until one is large enough to keep the device busy. */
async function speed(device: RunDevice): Promise<number> {
  let best = 0;
  for (const size of speedSides) {
    const runMs = await productsMs(device, size);
    best = Math.max(best, (productsPerRun * 2 * size ** 3) / runMs / 1e6);
    if (runMs > busyMs) break;
  }
  return best;
}

/** The fastest run of a few products, one after the other, so that only their mean travels back; ms */
async function productsMs(device: RunDevice, size: number): Promise<number> {
  const graph = new Graph();
  const shape = [size, size];
  const w = graph.weight("w", "float32", shape, wave(size * size).map((value) => value / Math.sqrt(size / 2)));
  let product = graph.input("x", "float32", shape);
  for (let i = 0; i < productsPerRun; i++) product = matmul(product, w);
  graph.output("y", reduceMean(product, [0, 1]));
  await using session = await openSession(graph, { device, quiet: true });
  const feeds = { x: { dtype: "float32", shape, data: wave(size * size) } } as const;
  await session.run(feeds);
  let fastest = Number.POSITIVE_INFINITY;
  for (const end = performance.now() + speedMs; performance.now() < end; ) {
    const started = performance.now();
    await session.run(feeds);
    fastest = Math.min(fastest, performance.now() - started);
  }
  return fastest;
}

/** Numbers in [-1, 1] that do not repeat. */
function wave(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.7 + (i % 977)));
}
