import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { workOnFolder } from "../src/folder-worker.js";
import { readPart } from "../src/part-file.js";
import { connectRedis } from "../src/redis-connection.js";
import { partFile } from "../src/run-folder.js";
import { ShardImages } from "../src/shard-images.js";
import { ShardQueue } from "../src/shard-queue.js";
import type { ShardTask } from "../src/shard-task.js";
import { submitRun } from "../src/submit-run.js";
import { workOnQueue } from "../src/queue-worker.js";
import { workOnRun } from "../src/work-on-run.js";
import { WorkerReport, workerName } from "../src/worker-record.js";
import { temporaryFolder } from "./command.js";
import { writePictures } from "./pictures.js";
import { hasRedisServer, RedisServer } from "./redis-server.js";

let folder: string;
let photos: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  photos = path.join(folder, "photos");
  await mkdir(photos);
  await writePictures(photos, 6, (i) => `${i}.png`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function submitted(name: string, shardSize: number): Promise<{ readonly run: string; readonly manifest: Awaited<ReturnType<typeof submitRun>>["manifest"] }> {
  const run = path.join(folder, name);
  const { manifest } = await submitRun({ run, inputs: [photos], model: "mini", settings: { task: "embed", normalize: true, batch: 8, precision: "float32" }, shardSize });
  return { run, manifest };
}

/** Whatever the images are; shards fail for another reason. */
const task: ShardTask = {
  async *outcomes(images) {
    for await (const { path } of images) yield { path, outcome: { embedding: Float32Array.of(1) } };
  },
  [Symbol.asyncDispose]: async () => undefined,
};

describe("a shard that fails for a reason that is none of its images'", () => {
  it("is tried again later, and done when the reason is gone", async () => {
    const { run } = await submitted("transient", 2);
    // Nothing can be renamed to the name of a folder.
    await mkdir(path.join(partFile(run, 1), "in-the-way"), { recursive: true });
    const work = workOnRun({ run });
    const notes = path.join(run, "attempts", "000001.jsonl");
    while (!(await readFile(notes, "utf8").catch(() => "")).includes('"end"')) await setTimeout(20);
    await rm(partFile(run, 1), { recursive: true });
    expect(await work).toMatchObject({ shards: 3 });
    expect((await readPart(run, 1)).paths).toEqual([2, 3].map((i) => path.join(photos, `${i}.png`)));
    // What did not become a part is not left about.
    expect((await readdir(path.join(run, "parts"))).sort()).toEqual(["000000.part", "000001.part", "000002.part"]);
    expect([await readdir(path.join(run, "attempts")), await readdir(path.join(run, "locks"))]).toEqual([[], []]);
  });

  it("is given up after five times, when the others are done, with its reason", async () => {
    const { run, manifest } = await submitted("lasting", 2);
    await mkdir(path.join(partFile(run, 1), "in-the-way"), { recursive: true });
    const report = new WorkerReport(run, workerName());
    await using images = await ShardImages.open(run, manifest);
    const work = workOnFolder({ folder: run, manifest, images }, task, { shards: [0, 1, 2], staleMs: 30_000, report, signal: new AbortController().signal, delayMs: 5 });
    await expect(work).rejects.toThrow(/^bulk work: shard 1 failed 5 times; shard 1: [^\n]*(?:EISDIR|ENOTEMPTY|EEXIST)[^\n]*; mend it, and start the worker again$/);
    await report.stop();
    expect((await readdir(path.join(run, "parts"))).filter((name) => name.endsWith(".part")).sort()).toEqual(["000000.part", "000001.part", "000002.part"]);
  });

  it.skipIf(!hasRedisServer())("is tried again by the queue, given up after five times, and put in again by submit", async () => {
    const { run, manifest } = await submitted("queued", 2);
    await mkdir(path.join(partFile(run, 1), "in-the-way"), { recursive: true });
    const data = path.join(folder, "redis");
    await mkdir(data);
    const server = await RedisServer.start(data);
    const connection = await connectRedis(server.url);
    const { redis } = connection;
    const report = new WorkerReport(run, workerName());
    try {
      await using images = await ShardImages.open(run, manifest);
      await using queue = new ShardQueue(redis, manifest);
      const signal = new AbortController().signal;
      expect(await queue.add([0, 1, 2], signal, 5)).toBe(3);
      const work = (): Promise<void> => workOnQueue({ folder: run, manifest, images }, task, { redis, staleMs: 5000, report, signal, onNotice: () => undefined });
      // shardsIn counts the folder's name as a part, so that the run would seem done with all three.
      await rm(partFile(run, 1), { recursive: true });
      await mkdir(path.join(run, "failures", "000001.jsonl", "in-the-way"), { recursive: true });
      await expect(work()).rejects.toThrow(/^bulk work: 1 shards failed time after time; shard 1: [^\n]*; mend it, and put them in again with: sightline bulk submit/);
      expect(await queue.counts()).toEqual({ waiting: 0, active: 0, delayed: 0, failed: 1 });
      await rm(path.join(run, "failures", "000001.jsonl"), { recursive: true });
      expect(await queue.add([1], signal)).toBe(1);
      await work();
      expect((await readPart(run, 1)).paths).toHaveLength(2);
      expect(await queue.counts()).toEqual({ waiting: 0, active: 0, delayed: 0, failed: 0 });
    } finally {
      await report.stop();
      connection.close();
      await server.stop();
    }
  });
});

describe("an image that ends its worker without a word", () => {
  if (process.platform === "win32") console.warn("SKIPPED: the test of a crashing worker needs signals, which Windows has not");
  it.skipIf(process.platform === "win32")("is found after some workers were lost, set aside and listed, and the others have their results", async () => {
    await writePictures(photos, 1, () => "killer.png");
    const { run } = await submitted("killer", 10);
    const worker = (name: string): NodeJS.Signals | number | null => {
      const { signal, status } = spawnSync(process.execPath, [fileURLToPath(new URL("crashing-worker.mjs", import.meta.url)), run, name]);
      return signal ?? status;
    };
    expect(["a", "b", "c", "d", "e", "f"].map(worker)).toEqual(["SIGKILL", "SIGKILL", "SIGKILL", "SIGKILL", "SIGKILL", 0]);
    const { paths, outcomes } = await readPart(run, 0);
    expect(paths.map((file) => path.basename(file))).toEqual(["0.png", "1.png", "2.png", "3.png", "4.png", "5.png", "killer.png"]);
    expect(outcomes.map((outcome) => Object.keys(outcome)[0])).toEqual([...Array.from({ length: 6 }, () => "embedding"), "error"]);
    expect(outcomes[6]).toEqual({ error: expect.stringMatching(/killer\.png: workers that read it ended without a word, time after time; it was set aside$/) as string });
    expect(await readdir(path.join(run, "failures"))).toEqual(["000000.jsonl"]);
  });
});
