import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openGguf, writeGguf } from "../src/index.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "weights-"));
});
afterAll(() => rm(folder, { recursive: true }));

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes of array buffers once nothing is freed any more: V8 frees them on another thread, some time after a collection. */
async function settledBytes(): Promise<number> {
  let bytes = Number.POSITIVE_INFINITY;
  for (let unchanged = 0; unchanged < 5; ) {
    collectGarbage();
    await setTimeout(10);
    const now = process.memoryUsage().arrayBuffers;
    unchanged = now === bytes ? unchanged + 1 : 0;
    bytes = now;
  }
  return bytes;
}

/** The most bytes of array buffers above the start, looked at between the turns of the event loop while `work` runs. */
async function peakBytes(work: () => Promise<unknown>): Promise<number> {
  const before = await settledBytes();
  let peak = 0;
  let watching = true;
  const watch = (): void => {
    peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
    if (watching) setImmediate(watch);
  };
  watch();
  await work();
  watching = false;
  return peak;
}

const elements = 2 ** 24;
const float32Bytes = elements * 4;

describe("memory", () => {
  it.each(["F16", "BF16", "Q8_0"] as const)("reading %s takes under 1.3 times the float32 weights", async (dtype) => {
    const file = path.join(folder, `${dtype}.gguf`);
    const stored = { F16: elements * 2, BF16: elements * 2, Q8_0: (elements / 32) * 34 }[dtype];
    await writeGguf(file, { metadata: [], tensors: [{ name: "x", dtype, shape: [elements / 1024, 1024], data: async () => new Uint8Array(stored) }] });
    await using source = await openGguf(file);
    const peak = await peakBytes(() => source.readFloat32("x"));
    // The result itself must be seen, or nothing was measured.
    expect(peak).toBeGreaterThanOrEqual(float32Bytes);
    expect(peak).toBeLessThan(1.3 * float32Bytes);
  });

  it("opening takes the header only", async () => {
    const file = path.join(folder, "large.gguf");
    await writeGguf(file, { metadata: [], tensors: [{ name: "x", dtype: "F16", shape: [elements], data: async () => new Uint8Array(elements * 2) }] });
    const peak = await peakBytes(async () => {
      await using source = await openGguf(file);
      expect(source.tensors.get("x")?.byteLength).toBe(elements * 2);
    });
    expect(peak).toBeLessThan(4 * 2 ** 20);
  });
});
