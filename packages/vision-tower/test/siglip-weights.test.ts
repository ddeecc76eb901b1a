import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Graph, type WeightData } from "@sightline/graph";
import { openWeights, WeightsError, writeSafetensors } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { weightParameters } from "../src/index.js";

let folder: string;
let file: string;
const values = Float32Array.of(1, -2, 3, 0.5, 4, 5);

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "weight-parameters-"));
  file = path.join(folder, "model.safetensors");
  await writeSafetensors(file, [
    { name: "full", dtype: "F32", shape: [2, 3], data: values },
    { name: "half", dtype: "F16", shape: [2, 3], data: values },
  ]);
});
afterAll(() => rm(folder, { recursive: true }));

async function readDeferred(data: WeightData | undefined): Promise<unknown> {
  return data && "read" in data ? data.read() : "not deferred";
}

describe("weightParameters", () => {
  it("leaves F32 where it lies in the file", async () => {
    await using source = await openWeights(file);
    const graph = new Graph();
    weightParameters(graph, source)("full", [2, 3]);
    const { byteOffset } = source.tensors.get("full") as { byteOffset: number };
    expect(graph.weights.map(({ data }) => data)).toEqual([{ file, byteOffset, byteLength: 24 }]);
  });

  it("widens anything else when it is read", async () => {
    await using source = await openWeights(file);
    const graph = new Graph();
    const tensor = weightParameters(graph, source)("half", [2, 3]);
    expect([tensor.dtype, tensor.shape]).toEqual(["float32", [2, 3]]);
    expect(await readDeferred(graph.weights[0]?.data)).toEqual(values);
  });

  it("reads F32 that does not start at a multiple of four bytes, since it cannot be mapped", async () => {
    const odd = path.join(folder, "odd.safetensors");
    const header = new TextEncoder().encode(JSON.stringify({ x: { dtype: "F32", shape: [6], data_offsets: [0, 24] } }));
    const padded = new Uint8Array(Math.ceil(header.length / 4) * 4 + 1).fill(0x20);
    padded.set(header);
    const size = new Uint8Array(8);
    new DataView(size.buffer).setBigUint64(0, BigInt(padded.length), true);
    {
      await using handle = await open(odd, "w");
      for (const bytes of [size, padded, new Uint8Array(values.buffer)]) await handle.write(bytes);
    }
    await using source = await openWeights(odd);
    expect((source.tensors.get("x")?.byteOffset ?? 0) % 4).not.toBe(0);
    const graph = new Graph();
    weightParameters(graph, source)("x", [6]);
    expect(await readDeferred(graph.weights[0]?.data)).toEqual(values);
  });

  it("gives one tensor for one name, and asks the file by the other name", async () => {
    await using source = await openWeights(file);
    const graph = new Graph();
    const parameter = weightParameters(graph, source, (name) => name.replace("layer.weight", "full"));
    expect(parameter("layer.weight", [2, 3])).toBe(parameter("layer.weight", [2, 3]));
    expect(graph.weights.map(({ tensor }) => tensor.name)).toEqual(["layer.weight"]);
  });

  it("names tensor, file and both shapes when they differ, and the tensor when it is missing", async () => {
    await using source = await openWeights(file);
    const parameter = weightParameters(new Graph(), source);
    expect(() => parameter("full", [3, 2])).toThrow(new WeightsError(`${file}: "full": expected the shape [3, 2] by the configuration, got [2, 3]`));
    expect(() => parameter("none", [4])).toThrow(new WeightsError(`${file}: the model needs the tensor "none" [4], which is not there`));
  });
});
