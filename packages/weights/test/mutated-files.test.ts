import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openWeights, WeightsError, writeGguf, writeSafetensors, type TensorToWrite } from "../src/index.js";
import { goldenBytes } from "./goldens.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "weights-"));
});
afterAll(() => rm(folder, { recursive: true }));

const floats = (name: string, dtype: "F32" | "F16" | "BF16" | "Q8_0"): TensorToWrite => ({ name, dtype, shape: [2, 32], data: new Float32Array(64).fill(0.5) });

/** A small file with every kind of thing in its header. */
async function rich(format: string): Promise<Uint8Array> {
  const file = path.join(folder, `rich.${format}`);
  const tensors = [floats("a", "F32"), floats("b", "F16"), floats("c", "BF16"), { name: "d", dtype: "I8" as const, shape: [3], data: new Uint8Array(3) }];
  if (format === "safetensors") await writeSafetensors(file, tensors, { made: "here", "by what": "a test" });
  else {
    const metadata = [
      ["general.architecture", { type: "string", value: "clip" }],
      ["general.alignment", { type: "uint32", value: 32 }],
      ["words", { type: "array", of: "string", value: ["a", "bc", ""] }],
      ["numbers", { type: "array", of: "float64", value: [1, 2] }],
      ["large", { type: "uint64", value: 2n ** 60n }],
      ["flag", { type: "bool", value: true }],
    ] as const;
    await writeGguf(file, { metadata, tensors: [...tensors, floats("e", "Q8_0")] });
  }
  return new Uint8Array(await readFile(file));
}

const files: [string, () => Promise<Uint8Array>][] = [
  ["our GGUF", () => rich("gguf")],
  ["our safetensors", () => rich("safetensors")],
  ["gguf-py's GGUF, with nested arrays", () => goldenBytes("reference.gguf")],
  ["safetensors' file", () => goldenBytes("reference.safetensors")],
];

/** Opens the bytes and reads every tensor: true when that works, false for a WeightsError that names the file. */
async function readsAll(bytes: Uint8Array): Promise<boolean> {
  const file = path.join(folder, "mutant");
  await writeFile(file, bytes);
  const before = process.memoryUsage().arrayBuffers;
  try {
    await using source = await openWeights(file);
    for (const [name, { shape, dtype }] of source.tensors) {
      // A changed byte may turn a type into one that is stored only.
      const elements = shape.reduce((product, dim) => product * dim, 1);
      const read = await source.readFloat32(name).catch((error: unknown) => {
        expect((error as Error).message, dtype).toContain("is not read as float32");
        return undefined;
      });
      if (read) expect(read.length).toBe(elements);
    }
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(WeightsError);
    expect((error as Error).message).toContain("mutant");
    return false;
  } finally {
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 2 ** 20);
  }
}

describe.each(files)("%s", (_, load) => {
  it("is read whole, and refused when cut anywhere", async () => {
    const whole = await load();
    expect(await readsAll(whole)).toBe(true);
    for (let length = 0; length < whole.length - 32; length++) expect(await readsAll(whole.slice(0, length)), `${length} bytes`).toBe(false);
  });

  it("with bytes changed anywhere: read or refused, never a crash or a huge allocation", async () => {
    const whole = await load();
    const change = fc.tuple(fc.nat(whole.length - 1), fc.oneof(fc.nat(255), fc.constantFrom(0, 0x7f, 0x80, 0xff)));
    const outcomes = new Set<boolean>();
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
        const bytes = whole.slice();
        for (const [at, value] of changes) bytes[at] = value;
        outcomes.add(await readsAll(bytes));
      }),
      { numRuns: 1000, seed: 2 },
    );
    expect(outcomes).toContain(false);
  });

  it("with pieces of it moved about, repeated or left out: read or refused", async () => {
    const whole = await load();
    const piece = fc.tuple(fc.nat(whole.length), fc.nat(whole.length)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 4 }), fc.boolean(), async (pieces, keepStart) => {
        const start = keepStart ? whole.slice(0, 24) : new Uint8Array(0);
        expect(typeof (await readsAll(Buffer.concat([start, ...pieces.map(([from, to]) => whole.slice(from, to))])))).toBe("boolean");
      }),
      { numRuns: 400, seed: 4 },
    );
  });
});
