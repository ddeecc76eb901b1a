import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { add, fusedAttention, geluTanh, Graph, layerNorm, linear, openSession, slice, softmax, toFloat16, type Tensor, type TensorValue } from "../src/index.js";
import { seededValues } from "./finite-differences.js";
import { furthest, seededInput } from "./seeded-input.js";

/** Truncates to float16, for values of ordinary size: enough to see which bytes arrive. */
function narrow(values: Float32Array): Uint16Array<ArrayBuffer> {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(words, (word, i) => {
    const value = Math.abs(values[i] as number);
    const sign = (word >>> 16) & 0x8000;
    return value >= 65520 ? sign | 0x7c00 : value < 2 ** -14 ? sign : sign | ((word & 0x7fffffff) - 0x38000000) >>> 13;
  });
}

const width = 24;

/** A pre-LN block over float32[B, 9, 24] whose weights are seeded. */
function block(): { graph: Graph; feeds: Record<string, TensorValue> } {
  const graph = new Graph();
  const feeds: Record<string, TensorValue> = {};
  let seed = 100;
  const weight = (name: string, ...shape: number[]): Tensor => {
    const values = seededValues(shape.reduce((a, b) => a * b, 1), seed++);
    return graph.weight(name, "float32", shape, values.map((value) => value / Math.sqrt(width)));
  };
  const x = seededInput(graph, feeds, ["B", 9, width]);
  const norm = (y: Tensor, name: string): Tensor => layerNorm(y, weight(`${name}.gain`, width), weight(`${name}.bias`, width), 1e-6);
  // Three matrices in one weight, as a pooling head packs them.
  const packed = weight("packed", 3 * width, width);
  const normed = norm(x, "norm1");
  const [q, k, v] = [0, 1, 2].map((part) => linear(normed, slice(packed, 0, part * width, (part + 1) * width))) as [Tensor, Tensor, Tensor];
  const attended = add(x, linear(fusedAttention(q, k, v, { heads: 2 }), weight("out", width, width), weight("out.bias", width)));
  const hidden = geluTanh(linear(norm(attended, "norm2"), weight("fc1", 40, width), weight("fc1.bias", 40)));
  graph.output("y", softmax(add(attended, linear(hidden, weight("fc2", width, 40), weight("fc2.bias", width)))));
  return { graph, feeds };
}

describe("toFloat16", () => {
  it("runs products, attention and activations in float16; the residual stream, norms and softmax in float32", () => {
    const types = new Map<string, Set<string>>();
    const half = toFloat16(block().graph, narrow);
    for (const { op, outputs } of half.nodes) types.set(op, (types.get(op) ?? new Set()).add(outputs[0]?.dtype ?? ""));
    const of = (dtype: string): string[] => [...types].filter(([, dtypes]) => dtypes.has(dtype)).map(([op]) => op).sort();
    expect(of("float16")).toEqual(["Cast", "FastGelu", "Gemm", "MultiHeadAttention", "Reshape", "Slice"]);
    expect(of("float32")).toEqual(["Add", "Cast", "LayerNormalization", "Reshape", "Softmax"]);
    expect(half.inputs.map(({ name, dtype }) => [name, dtype])).toEqual([["input1", "float32"]]);
    expect(half.outputs.map(({ name, tensor }) => [name, tensor.dtype])).toEqual([["y", "float32"]]);
  });

  it("takes each weight in the one type that reads it", () => {
    const weights = toFloat16(block().graph, narrow).weights.filter(({ tensor }) => tensor.dtype !== "int64").map(({ tensor }) => [tensor.name.split(":")[0], tensor.dtype]);
    expect(Object.fromEntries(weights)).toEqual({
      "norm1.gain": "float32", "norm1.bias": "float32", packed: "float16", out: "float16", "out.bias": "float16",
      "norm2.gain": "float32", "norm2.bias": "float32", fc1: "float16", "fc1.bias": "float16", fc2: "float16", "fc2.bias": "float16",
    });
    expect(weights).toHaveLength(11);
  });

  it("agrees with float32 to 2e-3 as ONNX Runtime's CPU provider runs it", async () => {
    const { graph, feeds } = block();
    await using exact = await openSession(graph, { device: "cpu", threads: 1 });
    await using half = await openSession(toFloat16(graph, narrow), { device: "cpu", threads: 1 });
    const [a, b] = [await half.run(feeds), await exact.run(feeds)];
    expect(furthest(a["y"], b["y"])).toBeLessThan(2e-3);
    expect(furthest(a["y"], b["y"])).toBeGreaterThan(0);
  });

  it("names the weight that float16 cannot hold", async () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", [1, 2]);
    graph.output("y", linear(x, graph.weight("head.weight", "float32", [1, 2], Float32Array.of(1, -70000))));
    await expect(openSession(toFloat16(graph, narrow), { device: "cpu" })).rejects.toThrow(`toFloat16: "head.weight" holds -70000, beyond float16's largest value 65504`);
  });

  it("uses float16 bytes of a file as they lie there", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "float16-"));
    try {
      const file = path.join(folder, "weights");
      const bits = narrow(Float32Array.of(9, 9, 0.5, 2));
      await writeFile(file, new Uint8Array(bits.buffer));
      const graph = new Graph();
      const x = graph.input("x", "float32", [1, 2]);
      const read = (): never => expect.unreachable("the float32 form is not needed");
      graph.output("y", linear(x, graph.weight("w", "float32", [1, 2], { byteLength: 8, read, float16: { file, byteOffset: 4, byteLength: 4 } })));
      await using session = await openSession(toFloat16(graph, narrow), { device: "cpu" });
      expect((await session.run({ x: { dtype: "float32", shape: [1, 2], data: Float32Array.of(4, 8) } }))["y"]?.data[0]).toBe(18);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
