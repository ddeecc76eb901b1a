import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openGguf, openSafetensors, openWeights, WeightsError, writeGguf, writeSafetensors, type WeightSource } from "../src/index.js";
import { goldenBytes, goldenPath } from "./goldens.js";

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
    expect(source.metadata.get("test.flag")).toBe(true);
    expect(source.metadata.get("test.real")).toBe(1.5);
    expect(source.metadata.get("test.large")).toBe(2n ** 40n);
    expect(source.tensors.get("matrix")?.shape).toEqual([3, 4]);
    expect(await source.readFloat32("matrix")).toEqual(counting(12));
    expect(await source.readFloat32("half")).toEqual(counting(6));
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
      fc.asyncProperty(fc.uniqueArray(fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }).filter((name) => name !== "__metadata__" && name !== "__proto__"), { maxLength: 6 }), fc.array(tensor, { minLength: 6, maxLength: 6 }), async (names, kinds) => {
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

  it("reads shards through their index", async () => {
    const shards = inFolder("sharded");
    await mkdir(shards);
    await writeSafetensors(path.join(shards, "a.safetensors"), [{ name: "x", dtype: "F32", shape: [2], data: counting(2) }]);
    await writeSafetensors(path.join(shards, "b.safetensors"), [{ name: "y", dtype: "F32", shape: [3], data: counting(3) }]);
    const index = path.join(shards, "model.safetensors.index.json");
    await writeFile(index, JSON.stringify({ weight_map: { x: "a.safetensors", y: "b.safetensors" } }));
    await using source = await openWeights(shards);
    expect(await source.readFloat32("y")).toEqual(counting(3));
    await writeFile(index, JSON.stringify({ weight_map: { x: "b.safetensors" } }));
    await expect(openWeights(shards)).rejects.toThrow('"x" is mapped to "b.safetensors", which does not hold it');
    await writeFile(index, JSON.stringify({ weight_map: { x: "../a.safetensors" } }));
    await expect(openWeights(shards)).rejects.toThrow("expected a file name in the same folder");
  });
});

describe("damaged files are one error, never a crash or a huge allocation", () => {
  const openBytes = async (bytes: Uint8Array, name: string): Promise<WeightSource> => {
    const file = inFolder(name);
    await writeFile(file, bytes);
    return openWeights(file);
  };

  it.each(["reference.gguf", "reference.safetensors"])("%s, cut anywhere", async (name) => {
    const whole = await goldenBytes(name);
    await using source = await openWeights(goldenPath(name));
    // Behind the last tensor a GGUF only has padding, which may be missing.
    const end = Math.max(...[...source.tensors.values()].map(({ byteOffset, byteLength }) => byteOffset + byteLength));
    for (let length = 0; length < end; length += 3) {
      await expect(openBytes(whole.slice(0, length), "cut"), `${length} bytes`).rejects.toBeInstanceOf(WeightsError);
    }
  });

  it.each(["reference.gguf", "reference.safetensors"])("%s, with bytes changed", async (name) => {
    const whole = await goldenBytes(name);
    const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
        const bytes = whole.slice();
        for (const [at, value] of changes) bytes[at] = value;
        const before = process.memoryUsage().arrayBuffers;
        try {
          await using source = await openBytes(bytes, "changed");
          for (const tensor of source.tensors.keys()) await source.readFloat32(tensor);
        } catch (error) {
          expect(error).toBeInstanceOf(WeightsError);
          expect((error as Error).message).toContain("changed");
        }
        expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 2 ** 20);
      }),
      { numRuns: 800, seed: 2 },
    );
  });

  it("names the tensor and the numbers when a GGUF is truncated in its data", async () => {
    const whole = await goldenBytes("reference.gguf");
    await expect(openBytes(whole.slice(0, -40), "short.gguf")).rejects.toThrow(/short\.gguf: "half" ends at byte \d+, the file at \d+/);
  });

  it("refuses GGUF version 1 and big-endian files by name", async () => {
    const whole = await goldenBytes("reference.gguf");
    const withVersion = (bytes: number[]): Uint8Array => Uint8Array.from([...whole.slice(0, 4), ...bytes, ...whole.slice(8)]);
    await expect(openBytes(withVersion([1, 0, 0, 0]), "v1.gguf")).rejects.toThrow("GGUF version 1, expected 2 or 3");
    await expect(openBytes(withVersion([0, 0, 0, 3]), "be.gguf")).rejects.toThrow("GGUF version for big-endian machines");
  });

  it("says what is missing: a file, an unknown tensor, a closed source", async () => {
    await expect(openWeights(inFolder("none.gguf"))).rejects.toThrow("no such file or directory");
    const source = await openWeights(goldenPath("reference.gguf"));
    await expect(source.readFloat32("nothing")).rejects.toThrow('there is no tensor "nothing"');
    await source.close();
    await expect(source.readFloat32("matrix")).rejects.toThrow("the file is closed");
  });

  it("refuses tensors that overlap or leave a gap", async () => {
    const header = (y: [number, number]): Uint8Array => {
      const json = JSON.stringify({ x: { dtype: "F32", shape: [2], data_offsets: [0, 8] }, y: { dtype: "F32", shape: [2], data_offsets: y } });
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(json.length));
      return Buffer.concat([length, Buffer.from(json), Buffer.alloc(y[1])]);
    };
    await expect(openBytes(header([4, 12]), "overlap")).rejects.toThrow("it overlaps another tensor");
    await expect(openBytes(header([16, 24]), "gap")).rejects.toThrow("a gap");
    await expect(readFile(inFolder("gap"))).resolves.toBeDefined();
  });
});
