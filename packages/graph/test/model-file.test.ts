import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fromFloat16, narrowFloat16, widenFloat16 } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { castFloat } from "../src/ops/cast.js";
import { add, Graph, GraphError, matmul, openModelFile, reshape, transpose, writeModelFile, type Dtype, type ModelFileOptions, type Shape } from "../src/index.js";

const float16 = { narrow: narrowFloat16, widen: widenFloat16 };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "model-file-"));
});
afterAll(() => rm(folder, { recursive: true }));

let files = 0;
async function write(build: (graph: Graph) => void): Promise<string> {
  const graph = new Graph();
  build(graph);
  const file = path.join(folder, `${files++}.onnx`);
  await writeModelFile(graph, file);
  return file;
}

/** `values` [B, 2] -> `doubled` [B, 2], in one type. */
function doubler(dtype: Dtype, shape: Shape = ["B", 2]): Promise<string> {
  return write((graph) => {
    const x = graph.input("values", dtype, shape);
    graph.output("doubled", graph.node1("Add", [x, x], { dtype, shape }));
  });
}

function options(changes: Partial<ModelFileOptions> = {}): ModelFileOptions {
  return {
    device: "cpu",
    threads: 1,
    inputs: { x: { name: "values", dtype: "float32", shape: ["B", 2] } },
    outputs: { y: { names: ["other", "doubled"], dtype: "float32", shape: ["B", 2] } },
    float16,
    ...changes,
  };
}

const x = { dtype: "float32", shape: [2, 2], data: Float32Array.of(1, -2, 0.5, 3) } as const;

describe("openModelFile", () => {
  it("takes and gives values under the caller's names", async () => {
    await using session = await openModelFile(await doubler("float32"), options());
    expect(await session.run({ x })).toEqual({ y: { dtype: "float32", shape: [2, 2], data: Float32Array.of(2, -4, 1, 6) } });
  });

  it("feeds float16 files from float32, and gives float32 back", async () => {
    await using session = await openModelFile(await doubler("float16"), options());
    const data = Float32Array.of(1 / 3, 1000.3, 1e-5, -7);
    const { y } = await session.run({ x: { dtype: "float32", shape: [2, 2], data } });
    const rounded = [...data].map((value) => fromFloat16(narrowFloat16(Float32Array.of(value))[0] as number));
    expect(y).toEqual({ dtype: "float32", shape: [2, 2], data: Float32Array.from(rounded, (value) => 2 * value) });
  });

  it("feeds int32 files from int64, and refuses what int32 cannot hold", async () => {
    const int64: Partial<ModelFileOptions> = {
      inputs: { x: { name: "values", dtype: "int64", shape: ["B", 2] } },
      outputs: { y: { names: ["doubled"], dtype: "int64", shape: ["B", 2] } },
    };
    await using session = await openModelFile(await doubler("int32"), options(int64));
    const run = (...values: bigint[]) => session.run({ x: { dtype: "int64", shape: [1, 2], data: BigInt64Array.from(values) } });
    expect((await run(5n, -7n))["y"]).toEqual({ dtype: "int64", shape: [1, 2], data: BigInt64Array.of(10n, -14n) });
    await expect(run(5n, 2n ** 31n)).rejects.toThrow(/expected integers that fit int32, which the file takes, got 2147483648/);
  });

  it("fills inputs that nobody feeds, in the batch of those that are fed", async () => {
    const file = await write((graph) => {
      const values = graph.input("values", "float32", ["N", 2]);
      const mask = graph.input("mask", "int64", ["M", 2]);
      graph.output("doubled", add(values, graph.node1("Cast", [mask], { shape: ["N", 2] }, { to: 1 })));
    });
    await using session = await openModelFile(file, options({ filled: { mask: { shape: ["B", 2], value: 10 }, absent: { shape: [1], value: 0 } } }));
    expect((await session.run({ x }))["y"]?.data).toEqual(Float32Array.of(11, 8, 10.5, 13));
  });

  it.each<[string, Partial<ModelFileOptions>, RegExp]>([
    ["an input of another name", { inputs: { x: { name: "pixels", dtype: "float32", shape: ["B", 2] } } }, /has no input "pixels"; its inputs are "values"/],
    ["an output of another name", { outputs: { y: { names: ["a", "b"], dtype: "float32", shape: ["B", 2] } } }, /has no output "a" or "b"; its outputs are "doubled"/],
    ["another rank", { inputs: { x: { name: "values", dtype: "float32", shape: ["B", 1, 2] } } }, /input "values": expected float32\[B, 1, 2\], got float32\[B, 2\]/],
    ["another size", { inputs: { x: { name: "values", dtype: "float32", shape: ["B", 3] } } }, /input "values": expected float32\[B, 3\], got float32\[B, 2\]/],
    ["another type", { inputs: { x: { name: "values", dtype: "int64", shape: ["B", 2] } } }, /input "values": expected int64\[B, 2\], got float32\[B, 2\]/],
    ["an output of another size", { outputs: { y: { names: ["doubled"], dtype: "float32", shape: ["B", 5] } } }, /output "doubled": expected float32\[B, 5\], got float32\[B, 2\]/],
    ["an input that nothing feeds", { inputs: {} }, /takes the input "values", which nothing feeds/],
  ])("refuses a file with %s, naming what it has", async (_, changes, message) => {
    const file = await doubler("float32");
    await expect(openModelFile(file, options(changes))).rejects.toThrow(GraphError);
    await expect(openModelFile(file, options(changes))).rejects.toThrow(message);
  });

  it("refuses a file whose batch is fixed", async () => {
    await expect(openModelFile(await doubler("float32", [1, 2]), options())).rejects.toThrow(/expected float32\[B, 2\], got float32\[1, 2\]; export it with a free batch/);
  });

  it("refuses feeds of another shape, type or name, and buffers to write to", async () => {
    const file = await doubler("float32");
    await using session = await openModelFile(file, options());
    await expect(session.run({ x: { dtype: "float32", shape: [4], data: x.data } })).rejects.toThrow(`Session.run: ${file}: input "x": expected float32[B, 2], got float32[4]`);
    await expect(session.run({ x: { dtype: "int64", shape: [1, 2], data: new BigInt64Array(2) } })).rejects.toThrow(/expected float32\[B, 2\], got int64\[1, 2\]/);
    await expect(session.run({ z: x })).rejects.toThrow('there is no input "z"; expected x');
    await expect(session.run({})).rejects.toThrow('input "values" is missing');
    await expect(session.run({ x }, { y: x })).rejects.toThrow(/expected no buffers to write to, got y/);
  });

  it("says which file cannot be opened", async () => {
    const file = path.join(folder, "text.onnx");
    await writeFile(file, "no model");
    await expect(openModelFile(file, options())).rejects.toThrow(`openModelFile: cpu could not open ${file}: `);
    await expect(openModelFile(path.join(folder, "none.onnx"), options())).rejects.toThrow(GraphError);
  });

  it("waits for a run under way when it is disposed, and then runs no more", async () => {
    const file = await write((graph) => {
      const values = graph.input("values", "float32", ["B", 2]);
      let product = matmul(transpose(values, [1, 0]), values);
      for (let i = 0; i < 20; i++) product = matmul(product, product);
      graph.output("doubled", reshape(product, [2, 2]));
    });
    const session = await openModelFile(file, options({ outputs: { y: { names: ["doubled"], dtype: "float32", shape: [2, 2] } } }));
    const running = session.run({ x: { dtype: "float32", shape: [50_000, 2], data: new Float32Array(100_000) } });
    await session[Symbol.asyncDispose]();
    expect((await running)["y"]?.data).toEqual(new Float32Array(4));
    await expect(session.run({ x })).rejects.toThrow("the session is disposed");
  });

  it("keeps float16 inside a file apart from float32 at its edges", async () => {
    const file = await write((graph) => {
      const values = castFloat(graph.input("values", "float32", ["B", 2]), "float16");
      graph.output("doubled", castFloat(graph.node1("Add", [values, values], { dtype: "float16", shape: ["B", 2] }), "float32"));
    });
    await using session = await openModelFile(file, options());
    expect((await session.run({ x }))["y"]?.data).toEqual(Float32Array.of(2, -4, 1, 6));
  });
});
