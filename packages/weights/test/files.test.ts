import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openGguf, openSafetensors, openWeights, readGgufMetadata, writeGguf, writeSafetensors, type GgufValue } from "../src/index.js";
import { goldenPath } from "./goldens.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "weights-"));
});
afterAll(() => rm(folder, { recursive: true }));

const inFolder = (name: string): string => path.join(folder, name);
const counting = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => i);

describe("files of the reference writers", () => {
  it("reads gguf-py's GGUF: values, strings, arrays, shapes in PyTorch's order", async () => {
    await using source = await openWeights(goldenPath("reference.gguf"));
    expect(source.format).toBe("gguf");
    expect(source.metadata.get("test.number")).toBe(42);
    expect(source.metadata.get("test.words")).toEqual(["a", "bé", ""]);
    expect(source.metadata.get("test.nested")).toEqual([[1, 2], [3]]);
    expect(source.metadata.get("test.flag")).toBe(true);
    expect(source.metadata.get("test.real")).toBe(1.5);
    expect(source.metadata.get("test.large")).toBe(2n ** 40n);
    expect(source.tensors.get("matrix")?.shape).toEqual([3, 4]);
    expect(await source.readFloat32("matrix")).toEqual(counting(12));
    expect(await source.readFloat32("half")).toEqual(counting(6));
  });

  it("reads metadata with the types that it is stored as, and writes the same again", async () => {
    const metadata = new Map<string, GgufValue>([
      ["general.architecture", { type: "string", value: "clip" }],
      ["a.small", { type: "uint8", value: 7 }],
      ["a.signed", { type: "int32", value: -7 }],
      ["a.large", { type: "uint64", value: 2n ** 63n }],
      ["a.double", { type: "float64", value: 0.1 }],
      ["a.flags", { type: "array", of: "bool", value: [true, false] }],
      ["a.longs", { type: "array", of: "int64", value: [-1n, 2n ** 40n] }],
      ["a.none", { type: "array", of: "string", value: [] }],
    ]);
    await writeGguf(inFolder("typed.gguf"), { metadata, tensors: [] });
    const read = await readGgufMetadata(inFolder("typed.gguf"));
    expect([...read]).toEqual([...metadata]);
    await writeGguf(inFolder("typed-again.gguf"), { metadata: read, tensors: [] });
    expect(await readFile(inFolder("typed-again.gguf"))).toEqual(await readFile(inFolder("typed.gguf")));
    await expect(readGgufMetadata(goldenPath("reference.gguf"))).rejects.toThrow('"test.nested" is an array of arrays');
  });

  it("reads safetensors' file: metadata, F32, I8", async () => {
    await using source = await openWeights(goldenPath("reference.safetensors"));
    expect(source.format).toBe("safetensors");
    expect(source.metadata.get("made")).toBe("by safetensors");
    expect(await source.readFloat32("matrix")).toEqual(counting(12));
    expect(await source.readFloat32("bytes")).toEqual(counting(5));
  });
});

describe("what is written is read again", () => {
  const dtype = fc.constantFrom("F32" as const, "F16" as const, "BF16" as const);
  const tensor = fc.record({ dtype, shape: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }) });

  it.each(["gguf", "safetensors"] as const)("as %s, whatever the names, shapes and types", async (format) => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }).filter((name) => name !== "__metadata__"), { maxLength: 6 }), fc.array(tensor, { minLength: 6, maxLength: 6 }), async (names, kinds) => {
        const tensors = names.map((name, i) => {
          const kind = kinds[i] as { dtype: "F32"; shape: number[] };
          return { name, ...kind, data: counting(kind.shape.reduce((a, b) => a * b, 1)) };
        });
        const file = inFolder(`round-${format}-${run++}`);
        if (format === "gguf") await writeGguf(file, { metadata: [["k", { type: "string", value: "v" }]], tensors });
        else await writeSafetensors(file, tensors, { k: "v" });
        await using source = await (format === "gguf" ? openGguf(file) : openSafetensors(file));
        expect(source.metadata.get("k")).toBe("v");
        expect([...source.tensors.keys()].sort()).toEqual([...names].sort());
        for (const { name, shape, data } of tensors) {
          expect(source.tensors.get(name)?.shape).toEqual(shape);
          // Whole numbers up to 625 are exact in half precision; bfloat16 keeps 8 bits of them.
          const read = await source.readFloat32(name);
          data.forEach((value, i) => expect(Math.abs((read[i] as number) - value)).toBeLessThanOrEqual(value / 256));
        }
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  it("leaves no partial file behind when the data does not fit, and the old file whole", async () => {
    const file = inFolder("kept.safetensors");
    await writeSafetensors(file, [{ name: "x", dtype: "F32", shape: [2], data: counting(2) }]);
    const failing = writeSafetensors(file, [{ name: "x", dtype: "F32", shape: [3], data: counting(2) }]);
    await expect(failing).rejects.toThrow('"x": F32 [3] needs 3 values, got 2');
    await using source = await openSafetensors(file);
    expect(await source.readFloat32("x")).toEqual(counting(2));
    expect((await readdir(folder)).filter((name) => name.includes("partial"))).toEqual([]);
  });
});
