import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openGguf, writeGguf, type TensorDtype } from "../src/index.js";
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

describe("dequantisation equals gguf-py to the last bit", () => {
  it.each(["Q4_0", "Q5_0", "Q8_0", "Q4_K", "Q5_K", "Q6_K"] as const)("%s", async (dtype) => {
    const expected = await goldenFloats(`${dtype}.float32`);
    const { floats } = await throughGguf(dtype, [3, expected.length / 3], await goldenBytes(`${dtype}.blocks`));
    // gguf-py multiplies in float32 in its own order; one rounding may differ in the K types.
    floats.forEach((value, i) => expect(Math.abs(value - (expected[i] as number))).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(expected[i] as number))));
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

  it("to Q8_0, gguf-py's blocks", async () => {
    const { bytes } = await throughGguf("Q8_0", [32, 32], await goldenFloats("q8.float32"));
    expect(bytes).toEqual(await goldenBytes("q8.Q8_0"));
  });

  it("and widening gives back what narrowing kept", async () => {
    const halves = await goldenBytes("floats.float16");
    const { floats } = await throughGguf("F16", [halves.length / 2], halves);
    const again = await throughGguf("F16", [halves.length / 2], floats);
    expect(again.bytes).toEqual(halves);
  });
});
