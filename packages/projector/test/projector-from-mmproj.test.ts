import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Graph, openSession } from "@sightline/graph";
import { openWeights, writeGguf, type GgufValue, type WeightSource } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { ProjectorError, projectorFromMmproj, type ProjectorOptions } from "../src/index.js";

let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "projector-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

interface Matrix {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A tensor whose values differ from name to name and from place to place. */
function filled(seed: number, ...shape: number[]): Matrix {
  return { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(seed * 100 + i)) };
}

async function mmproj(metadata: Record<string, GgufValue>, tensors: Record<string, Matrix>): Promise<WeightSource> {
  const file = path.join(folder, `mmproj-${files++}.gguf`);
  await writeGguf(file, {
    metadata: Object.entries(metadata),
    tensors: Object.entries(tensors).map(([name, { shape, data }]) => ({ name, dtype: "F32", shape, data })),
  });
  return openWeights(file);
}

function type(value: string): Record<string, GgufValue> {
  return { "clip.projector_type": { type: "string", value } };
}

/** A file's projector, run on patch tokens. */
async function project(source: WeightSource, tokens: Matrix, grid: { rows: number; columns: number }, options: ProjectorOptions = {}): Promise<{ shape: readonly number[]; data: Float32Array }> {
  const graph = new Graph();
  const input = graph.input("tokens", "float32", tokens.shape);
  const weights = new Map<string, Float32Array>();
  for (const name of source.tensors.keys()) weights.set(name, await source.readFloat32(name));
  graph.output("rows", projectorFromMmproj(source, options).build(input, grid, (name, shape) => graph.weight(name, "float32", shape, weights.get(name)!)));
  await using session = await openSession(graph, { device: "cpu", threads: 1 });
  const { rows } = await session.run({ tokens: { dtype: "float32", ...tokens } });
  return { shape: rows!.shape, data: rows!.data as Float32Array };
}

/** y = x · wᵀ + b, one row at a time. */
function slowLinear(x: readonly number[], weight: Matrix, bias: Matrix | undefined): number[] {
  const [out, width] = weight.shape as [number, number];
  return Array.from({ length: out }, (_, o) => x.reduce((sum, value, i) => sum + value * weight.data[o * width + i]!, bias?.data[o] ?? 0));
}

function rowsOf({ data, shape }: Matrix): number[][] {
  const width = shape.at(-1)!;
  return Array.from({ length: data.length / width }, (_, i) => [...data.subarray(i * width, (i + 1) * width)]);
}

function expectClose(got: Float32Array, want: readonly number[]): void {
  expect(got.length).toBe(want.length);
  want.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 4));
}

describe("mlp", () => {
  const tensors = { "mm.0.weight": filled(1, 6, 4), "mm.0.bias": filled(2, 6), "mm.2.weight": filled(3, 5, 6), "mm.2.bias": filled(4, 5) };

  it("is two linear layers with a tanh GELU between, on every patch token", async () => {
    await using source = await mmproj(type("mlp"), tensors);
    const projector = projectorFromMmproj(source);
    expect(projector).toMatchObject({ type: "mlp", outputWidth: 5 });
    expect(projector.tokens({ rows: 3, columns: 2 })).toBe(6);
    const tokens = filled(5, 2, 6, 4);
    const gelu = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
    const want = rowsOf(tokens).flatMap((row) =>
      slowLinear(slowLinear(row, tensors["mm.0.weight"], tensors["mm.0.bias"]).map(gelu), tensors["mm.2.weight"], tensors["mm.2.bias"]));
    const { shape, data } = await project(source, tokens, { rows: 3, columns: 2 });
    expect(shape).toEqual([2, 6, 5]);
    expectClose(data, want);
  });

  it("takes the erf GELU instead when told to, as transformers runs LLaVA-OneVision", async () => {
    await using source = await mmproj(type("mlp"), {
      "mm.0.weight": { shape: [1, 1], data: Float32Array.of(1) },
      "mm.0.bias": { shape: [1], data: Float32Array.of(0) },
      "mm.2.weight": { shape: [1, 1], data: Float32Array.of(1) },
      "mm.2.bias": { shape: [1], data: Float32Array.of(0) },
    });
    const patch = { shape: [1, 1, 1], data: Float32Array.of(2.2) };
    // 0.5 · 2.2 · (1 + erf(2.2 / √2)) and its tanh form.
    expect((await project(source, patch, { rows: 1, columns: 1 }, { gelu: "erf" })).data[0]).toBeCloseTo(2.169412, 5);
    expect((await project(source, patch, { rows: 1, columns: 1 })).data[0]).toBeCloseTo(2.169679, 5);
  });

  it("is refused behind a tower of another width, naming both", async () => {
    await using source = await mmproj(type("mlp"), tensors);
    await expect(project(source, filled(5, 2, 6, 3), { rows: 3, columns: 2 })).rejects.toThrow(/reads patch tokens of width 4, but the tower gives \[2, 6, 3\]/);
  });

  it("is refused without its matrices", async () => {
    await using source = await mmproj(type("mlp"), { "mm.0.weight": filled(1, 6, 4), "mm.2.weight": filled(2, 6) });
    expect(() => projectorFromMmproj(source)).toThrow(/mmproj-\d+\.gguf: the projector needs the matrix "mm.2.weight", got \[6\]/);
  });
});

describe("idefics3", () => {
  const factor: Record<string, GgufValue> = { "clip.vision.projector.scale_factor": { type: "uint32", value: 2 } };

  it("is a pixel shuffle and one linear layer", async () => {
    const weight = filled(1, 5, 12);
    await using source = await mmproj({ ...type("idefics3"), ...factor }, { "mm.model.fc.weight": weight });
    const projector = projectorFromMmproj(source);
    expect(projector).toMatchObject({ type: "idefics3", outputWidth: 5 });
    expect(projector.tokens({ rows: 4, columns: 5 })).toBe(6);
    const tokens = filled(2, 1, 4, 3);
    const { shape, data } = await project(source, tokens, { rows: 2, columns: 2 });
    expect(shape).toEqual([1, 1, 5]);
    // A 2 x 2 grid is one block: its four tokens side by side.
    expectClose(data, slowLinear([...tokens.data], weight, undefined));
  });

  it("is refused without a scale factor", async () => {
    await using source = await mmproj(type("idefics3"), { "mm.model.fc.weight": filled(1, 5, 12) });
    expect(() => projectorFromMmproj(source)).toThrow(/expected clip.vision.projector.scale_factor to be a whole number of at least 1, got undefined/);
  });

  it.each([["float32", 1.5], ["int32", 0]] as const)("is refused with a scale factor of type %s and value %d", async (valueType, value) => {
    await using source = await mmproj(
      { ...type("idefics3"), "clip.vision.projector.scale_factor": { type: valueType, value } },
      { "mm.model.fc.weight": filled(1, 5, 12) },
    );
    expect(() => projectorFromMmproj(source)).toThrow(ProjectorError);
  });
});

describe("a projector type", () => {
  it("that is not known is refused, and the known ones are listed", async () => {
    await using source = await mmproj(type("perceiver"), {});
    expect(() => projectorFromMmproj(source)).toThrow(/clip.projector_type is "perceiver"; known: gemma3, idefics3, lfm2, linear, mlp, qwen3vl_merger, resampler$/);
  });

  it("that is an object's own property name is not known either", async () => {
    await using source = await mmproj(type("constructor"), {});
    expect(() => projectorFromMmproj(source)).toThrow(/is "constructor"; known/);
  });

  it("that is missing is said to be missing", async () => {
    await using source = await mmproj({}, {});
    expect(() => projectorFromMmproj(source)).toThrow(/clip.projector_type is missing; known/);
  });
});
