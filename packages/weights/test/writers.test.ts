import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openGguf, openSafetensors, writeGguf, writeSafetensors, WeightsError, type GgufValue, type TensorToWrite } from "../src/index.js";

let folder: string;
let file: string;
let run = 0;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "weights-"));
});
beforeEach(() => {
  file = path.join(folder, `file-${run++}`);
});
afterAll(() => rm(folder, { recursive: true }));

const f32 = (name: string, values: number[] = [1, 2]): TensorToWrite => ({ name, dtype: "F32", shape: [values.length], data: Float32Array.from(values) });

describe("writeGguf", () => {
  const metadata = (value: GgufValue): Promise<void> => writeGguf(file, { metadata: [["k", value]], tensors: [] });

  it.each<GgufValue>([
    { type: "uint8", value: 256 },
    { type: "int8", value: 128 },
    { type: "uint16", value: -1 },
    { type: "int16", value: 32768 },
    { type: "uint32", value: 2 ** 32 },
    { type: "int32", value: 1.5 },
    { type: "uint64", value: -1n },
    { type: "int64", value: 2n ** 63n },
    { type: "array", of: "uint8", value: [1, 256] },
    { type: "array", of: "string", value: ["a", 1] },
    { type: "string", value: "\ud800" },
  ])("refuses a value that its type does not hold: %o", async (value) => {
    await expect(metadata(value)).rejects.toThrow(/^"k": expected a/);
    expect(await readdir(folder)).not.toContain(path.basename(file));
  });

  it.each<[GgufValue, unknown]>([
    [{ type: "int8", value: -128 }, -128],
    [{ type: "uint64", value: 2n ** 64n - 1n }, 2n ** 64n - 1n],
    [{ type: "int64", value: -5 }, -5n],
    [{ type: "float32", value: Number.NEGATIVE_INFINITY }, Number.NEGATIVE_INFINITY],
    [{ type: "float64", value: 0.1 }, 0.1],
    [{ type: "string", value: "\ufeffmark" }, "\ufeffmark"],
    [{ type: "array", of: "bool", value: [true, false] }, [true, false]],
    [{ type: "array", of: "string", value: [] }, []],
  ])("keeps %o", async (value, expected) => {
    await metadata(value);
    await using source = await openGguf(file);
    expect(source.metadata.get("k")).toEqual(expected);
  });

  it("keeps a vocabulary that makes the header longer than the first read", async () => {
    const words = Array.from({ length: 90_000 }, (_, i) => `token ${i} of many`);
    await writeGguf(file, { metadata: [["words", { type: "array", of: "string", value: words }]], tensors: [f32("x")] });
    await using source = await openGguf(file);
    expect(source.metadata.get("words")).toEqual(words);
    expect(await source.readFloat32("x")).toEqual(new Float32Array([1, 2]));
  });

  it("refuses equal keys, equal names, and types that GGUF lacks", async () => {
    const value: GgufValue = { type: "uint8", value: 1 };
    await expect(writeGguf(file, { metadata: [["k", value], ["k", value]], tensors: [] })).rejects.toThrow('the metadata key "k" comes twice');
    await expect(writeGguf(file, { metadata: [], tensors: [f32("x"), f32("x")] })).rejects.toThrow('"x" comes twice');
    await expect(writeGguf(file, { metadata: [], tensors: [{ name: "x", dtype: "U8", shape: [1], data: new Uint8Array(1) }] })).rejects.toThrow("GGUF has no U8");
    await expect(writeGguf(file, { metadata: [], tensors: [{ ...f32("x"), shape: [1, 1, 1, 1, 2] }] })).rejects.toThrow('"x" has 5 dimensions');
  });

  it.each([
    ["asked for", { metadata: [], alignment: 64 }],
    ["stated in the metadata", { metadata: [["general.alignment", { type: "uint32", value: 64 }]] }],
  ] as const)("places tensors by the alignment %s", async (_, options) => {
    await writeGguf(file, { ...options, tensors: [f32("x"), f32("y", [3])] });
    await using source = await openGguf(file);
    expect(source.metadata.get("general.alignment")).toBe(64);
    for (const { byteOffset } of source.tensors.values()) expect(byteOffset % 64).toBe(0);
    expect(await source.readFloat32("y")).toEqual(new Float32Array([3]));
  });

  it("refuses an alignment that readers do not take, or two that differ", async () => {
    await expect(writeGguf(file, { metadata: [], tensors: [], alignment: 24 })).rejects.toThrow("the alignment is 24, expected a power of two");
    const stated = [["general.alignment", { type: "uint32", value: 64 }]] as const;
    await expect(writeGguf(file, { metadata: stated, tensors: [], alignment: 32 })).rejects.toThrow("general.alignment is 64, but alignment 32 was asked for");
  });
});

describe("writeSafetensors", () => {
  it("takes names that JavaScript treats specially, and refuses the one that the format does", async () => {
    const names = ["__proto__", "constructor", "10", "2", "a\"b\\c\n"];
    await writeSafetensors(file, names.map((name, i) => f32(name, [i])));
    await using source = await openSafetensors(file);
    for (const [i, name] of names.entries()) expect(await source.readFloat32(name)).toEqual(new Float32Array([i]));
    await expect(writeSafetensors(file, [f32("__metadata__")])).rejects.toThrow('a tensor cannot be called "__metadata__"');
  });

  it("places every tensor at a multiple of its element, so that it can be mapped", async () => {
    const bytes: TensorToWrite = { name: "b", dtype: "U8", shape: [3], data: new Uint8Array([1, 2, 3]) };
    await writeSafetensors(file, [bytes, { ...f32("h"), dtype: "F16" }, f32("x")], { longer: "x".repeat(13) });
    await using source = await openSafetensors(file);
    expect((source.tensors.get("x")?.byteOffset as number) % 4).toBe(0);
    expect((source.tensors.get("h")?.byteOffset as number) % 2).toBe(0);
    expect(await source.readBytes("b")).toEqual(new Uint8Array([1, 2, 3]));
  });

  it("refuses block types", async () => {
    await expect(writeSafetensors(file, [{ name: "x", dtype: "Q8_0", shape: [32], data: new Float32Array(32) }])).rejects.toThrow("safetensors has no Q8_0");
  });
});

describe("both writers", () => {
  const writers = [
    ["gguf", (tensors: TensorToWrite[], to = file) => writeGguf(to, { metadata: [], tensors })],
    ["safetensors", (tensors: TensorToWrite[], to = file) => writeSafetensors(to, tensors)],
  ] as const;

  it.each(writers)("refuse impossible shapes and data with one WeightsError: %s", async (_, write) => {
    const x = f32("x");
    await expect(write([{ ...x, shape: [1.5] }])).rejects.toThrow('"x": [1.5] is no shape: 1.5 is no whole number');
    await expect(write([{ ...x, shape: [-1] }])).rejects.toThrow(WeightsError);
    await expect(write([{ ...x, shape: [2 ** 40, 2 ** 40] }])).rejects.toThrow("would take 4835703278458516698824704 bytes");
    await expect(write([{ ...x, shape: [3] }])).rejects.toThrow('"x": F32 [3] needs 3 values, got 2');
    await expect(write([{ ...x, data: new Uint8Array(7) }])).rejects.toThrow('"x": F32 [2] needs 8 bytes, got 7');
    await expect(write([{ ...x, dtype: "I8" }])).rejects.toThrow("float32 values cannot be written as I8");
    await expect(write([f32("\udc00")])).rejects.toThrow("the name is no Unicode text");
  });

  it.each(writers)("say so when the system refuses: %s", async (_, write) => {
    const nowhere = path.join(folder, "none", "file");
    const failing = write([f32("x")], nowhere);
    await expect(failing).rejects.toThrow(`${nowhere}: cannot be written (ENOENT)`);
    await expect(failing).rejects.toBeInstanceOf(WeightsError);
  });

  it.each(writers)("ask for one tensor at a time, when it is its turn: %s", async (_, write) => {
    const asked: string[] = [];
    const later = (name: string, value: number): TensorToWrite => ({
      ...f32(name),
      data: async () => {
        asked.push(name);
        return new Float32Array([value, value]);
      },
    });
    await write([later("a", 1), later("b", 2)]);
    expect(asked).toEqual(["a", "b"]);
  });

  it.each(writers)("leave the old file as it was and nothing beside it when a tensor cannot be had: %s", async (_, write) => {
    await write([f32("x")]);
    const before = await readFile(file);
    const failing = write([
      f32("x", [5]),
      {
        ...f32("y"),
        data: () => Promise.reject(new Error("the source is gone")),
      },
    ]);
    await expect(failing).rejects.toThrow("the source is gone");
    expect(await readFile(file)).toEqual(before);
    expect((await readdir(folder)).filter((name) => name.includes("partial"))).toEqual([]);
  });

  it.each(writers)("let two writers of one file finish, each whole: %s", async (_, write) => {
    await Promise.all([write([f32("x", [1])]), write([f32("x", [2])])]);
    await using source = await (_ === "gguf" ? openGguf(file) : openSafetensors(file));
    expect([1, 2]).toContain((await source.readFloat32("x"))[0]);
  });
});
