import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { openWeights, writeSafetensors } from "../src/index.js";

const made: string[] = [];
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "weights-"));
  made.push(folder);
  await shard("a.safetensors", "x", [0, 1]);
  await shard("b.safetensors", "y", [2, 3]);
});
afterAll(() => Promise.all(made.map((each) => rm(each, { recursive: true }))));

const shard = (file: string, name: string, values: number[]): Promise<void> =>
  writeSafetensors(path.join(folder, file), [{ name, dtype: "F32", shape: [2], data: Float32Array.from(values) }], { format: "pt" });
const indexText = (text: string): Promise<void> => writeFile(path.join(folder, "model.safetensors.index.json"), text);
const index = (weightMap: Record<string, unknown>): Promise<void> => indexText(JSON.stringify({ metadata: { total_size: 16 }, weight_map: weightMap }));

describe("a model in shards", () => {
  it("opens by its directory or its index, and reads from the shard of each tensor", async () => {
    await index({ x: "a.safetensors", y: "b.safetensors" });
    for (const where of [folder, path.join(folder, "model.safetensors.index.json")]) {
      await using source = await openWeights(where);
      expect(source.tensors.get("y")?.file).toBe(path.join(folder, "b.safetensors"));
      expect(await source.readFloat32("x")).toEqual(new Float32Array([0, 1]));
      expect(await source.readFloat32("y")).toEqual(new Float32Array([2, 3]));
      expect(source.metadata.get("format")).toBe("pt");
    }
  });

  it.each(["../a.safetensors", "/etc/passwd", "sub/a.safetensors", "sub\\a.safetensors", "C:a.safetensors", "..", ".", ""])("refuses a shard called %j", async (name) => {
    await index({ x: name });
    await expect(openWeights(folder)).rejects.toThrow(`"x" is mapped to ${JSON.stringify(name)}, expected a file name in the same folder`);
  });

  it("refuses a map that its shards do not bear out", async () => {
    await index({ x: "b.safetensors" });
    await expect(openWeights(folder)).rejects.toThrow('"x" is mapped to "b.safetensors", which does not hold it');
    await index({ x: "a.safetensors", z: "c.safetensors" });
    await expect(openWeights(folder)).rejects.toThrow(/c\.safetensors: no such file/);
    await shard("c.safetensors", "x", [5, 6]);
    await index({ x: "a.safetensors", y: "c.safetensors" });
    await expect(openWeights(folder)).rejects.toThrow(/c\.safetensors: "x" also lies in .*a\.safetensors/);
  });

  it.each([
    ["{", "its JSON ends inside a key of the index, after 1 bytes"],
    ["[]", 'expected "{" in the index'],
    ["{}", "has no weight_map"],
    ['{"weight_map":{}}', "has no weight_map"],
    ['{"weight_map":{"x":1}}', 'in the shard of "x", got "1"'],
    ['{"weight_map":{"x":"a.safetensors","x":"b.safetensors"}}', '"x" comes twice in weight_map'],
    [`{"metadata":${"[".repeat(100_000)}`, '"metadata" is nested deeper than 16'],
  ])("refuses the index %s", async (text, message) => {
    await indexText(text);
    await expect(openWeights(folder)).rejects.toThrow(message);
  });
});
