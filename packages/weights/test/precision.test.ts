import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openGguf, openSafetensors, writeGguf, writeSafetensors, type TensorDtype } from "../src/index.js";
import { dtypeLayouts } from "../src/tensor-dtype.js";
import { goldenBytes, goldenFloats } from "./goldens.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "weights-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function throughGguf(dtype: TensorDtype, shape: number[], data: Float32Array | Uint8Array) {
  const file = path.join(folder, `${dtype}.gguf`);
  await writeGguf(file, { metadata: [], tensors: [{ name: "x", dtype, shape, data }] });
  await using source = await openGguf(file);
  return { floats: await source.readFloat32("x"), bytes: await source.readBytes("x") };
}

const bits = (floats: Float32Array): Uint32Array => new Uint32Array(floats.buffer, floats.byteOffset, floats.length);

describe("dequantisation equals gguf-py to the last bit", () => {
  it.each(["Q4_0", "Q5_0", "Q8_0", "Q4_K", "Q5_K", "Q6_K"] as const)("%s, with usual, subnormal and large scales", async (dtype) => {
    const expected = await goldenFloats(`${dtype}.float32`);
    const { floats } = await throughGguf(dtype, [6, expected.length / 6], await goldenBytes(`${dtype}.blocks`));
    expect(expected.some((value) => value !== 0)).toBe(true);
    expect(bits(floats)).toEqual(bits(expected));
  });

  it("whatever the chunks that a tensor is read in", async () => {
    // 4 MiB are read at a time; 140,000 blocks of Q8_0 take 4.76 MB.
    const blocks = await goldenBytes("Q8_0.blocks");
    const expected = await goldenFloats("Q8_0.float32");
    const repeats = 23_334;
    const many = new Uint8Array(blocks.length * repeats);
    for (let i = 0; i < repeats; i++) many.set(blocks, i * blocks.length);
    const { floats } = await throughGguf("Q8_0", [6 * repeats, 32], many);
    for (const repeat of [0, 20_559, 20_560, 20_561, repeats - 1]) {
      expect(bits(floats.subarray(repeat * expected.length, (repeat + 1) * expected.length))).toEqual(bits(expected));
    }
  });
});

describe("sizes of stored types", () => {
  it("are gguf-py's for every ggml type that is known", async () => {
    const sizes = JSON.parse(new TextDecoder().decode(await goldenBytes("ggml-types.json"))) as Record<string, number[]>;
    const known = Object.entries(dtypeLayouts).filter(([, { ggmlType }]) => ggmlType !== undefined);
    expect(known.length).toBeGreaterThan(30);
    for (const [dtype, { ggmlType, blockElements, blockBytes }] of known) expect([ggmlType, blockElements, blockBytes], dtype).toEqual(sizes[dtype]);
  });

  it("let a type that has no float reading be copied as bytes", async () => {
    const blocks = Uint8Array.from({ length: 40 }, (_, i) => i);
    const file = path.join(folder, "copied.gguf");
    await writeGguf(file, { metadata: [], tensors: [{ name: "x", dtype: "Q4_1", shape: [2, 32], data: blocks }] });
    await using source = await openGguf(file);
    expect(await source.readBytes("x")).toEqual(blocks);
    await expect(source.readFloat32("x")).rejects.toThrow('"x" is Q4_1, which is not read as float32; use readBytes');
  });
});

describe("narrowing rounds as the references do", () => {
  it("to half precision, numpy's bits, infinities and subnormals included", async () => {
    const values = await goldenFloats("floats.float32");
    const { bytes } = await throughGguf("F16", [values.length], values);
    expect(bytes).toEqual(await goldenBytes("floats.float16"));
  });

  it("to bfloat16, gguf-py's bits", async () => {
    const values = await goldenFloats("floats.float32");
    const { bytes } = await throughGguf("BF16", [values.length], values);
    expect(bytes).toEqual(await goldenBytes("floats.bfloat16"));
  });

  it("to Q8_0, gguf-py's blocks, over ten orders of magnitude and halfway between two quants", async () => {
    const { bytes } = await throughGguf("Q8_0", [256, 32], await goldenFloats("q8.float32"));
    expect(bytes).toEqual(await goldenBytes("q8.Q8_0"));
  });

  it("and widening gives back what narrowing kept", async () => {
    const halves = await goldenBytes("floats.float16");
    const { floats } = await throughGguf("F16", [halves.length / 2], halves);
    const again = await throughGguf("F16", [halves.length / 2], floats);
    expect(again.bytes).toEqual(halves);
  });

  it("keeps NaN a NaN in both halves, and every bfloat16 what it was", async () => {
    const nan = new Float32Array(new Uint32Array([0x7fc00000, 0x7f800001, 0xffffffff]).buffer);
    for (const dtype of ["F16", "BF16"] as const) {
      const { floats } = await throughGguf(dtype, [3], nan);
      expect([...floats].every(Number.isNaN), dtype).toBe(true);
    }
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((half) => (half & 0x7fff) <= 0x7f80);
    const stored = new Uint8Array(all.buffer);
    const { floats } = await throughGguf("BF16", [all.length], stored);
    expect((await throughGguf("BF16", [all.length], floats)).bytes).toEqual(stored);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1e7])("refuses to quantise %d, which would spoil its whole block", async (value) => {
    const values = new Float32Array(64);
    values[40] = value;
    await expect(throughGguf("Q8_0", [2, 32], values)).rejects.toThrow(/"x": holds a value that is not finite or beyond/);
  });
});

describe("whole numbers and doubles are read as float32", () => {
  it.each([
    ["I8", new Int8Array([-128, 0, 127])],
    ["U8", new Uint8Array([0, 128, 255])],
    ["I16", new Int16Array([-32768, 0, 32767])],
    ["I32", new Int32Array([-65536, 0, 65536])],
    ["F64", new Float64Array([-0.5, 0, 0.1])],
    ["BOOL", new Uint8Array([0, 1, 1])],
  ] as const)("%s", async (dtype, values) => {
    const file = path.join(folder, `${dtype}.safetensors`);
    await writeSafetensors(file, [{ name: "x", dtype, shape: [3], data: new Uint8Array(values.buffer) }]);
    await using source = await openSafetensors(file);
    expect(await source.readFloat32("x")).toEqual(Float32Array.from(values));
  });
});
