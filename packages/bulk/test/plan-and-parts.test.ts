import { mkdir, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { historyOf } from "../src/attempts.js";
import { statusText } from "../src/cli/status-command.js";
import { cocoId } from "../src/coco-results.js";
import { shardsOfJob } from "../src/job-index.js";
import { decodePart, encodePart, hasPart, readPart, writePart, type ImageOutcome } from "../src/part-file.js";
import { checkRedisUrl, redisName } from "../src/redis-connection.js";
import { imagesFile, makeRunFolders, partFile, shardsIn } from "../src/run-folder.js";
import { findRunManifest, parseRunManifest, type RunManifest } from "../src/run-manifest.js";
import { ShardImages, writeShards, type RunImage } from "../src/shard-images.js";
import { lockShard } from "../src/shard-lock.js";
import { temporaryFolder } from "./command.js";

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

let runs = 0;
async function freshRun(): Promise<string> {
  const run = path.join(folder, `run-${runs++}`);
  await mkdir(run);
  await makeRunFolders(run);
  return run;
}

const manifestOf = (shards: RunManifest["shards"]): RunManifest => ({
  version: 1,
  id: "0123456789abcdef",
  created: "2026-11-28T00:00:00.000Z",
  model: "mini",
  fingerprint: "f",
  settings: { task: "embed", normalize: true, batch: 8, precision: "float32" },
  inputs: ["photos"],
  base: "/",
  shardSize: 10,
  images: shards.reduce((sum, { images }) => sum + images, 0),
  duplicates: 0,
  shards,
});

const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });

describe("shards", () => {
  it("hold every image once, in order, and read back one by one in any order", async () => {
    const image = fc.record({ key: text, path: text, tar: fc.option(text, { nil: undefined }), problem: fc.option(text, { nil: undefined }) });
    await fc.assert(
      fc.asyncProperty(fc.array(image, { minLength: 1, maxLength: 60 }), fc.integer({ min: 1, max: 20 }), async (listed, size) => {
        const images = listed.map(({ key, path: from, tar, problem }): RunImage => ({ key, path: from, ...(tar === undefined ? {} : { tar }), ...(problem === undefined ? {} : { problem }) }));
        const run = await freshRun();
        async function* each(): AsyncGenerator<RunImage> {
          yield* images;
        }
        let shards;
        {
          await using handle = await open(imagesFile(run), "w");
          shards = await writeShards(handle, each(), size);
        }
        expect(shards.length).toBe(Math.ceil(images.length / size));
        expect(shards.slice(0, -1).every((shard) => shard.images === size)).toBe(true);
        await using read = await ShardImages.open(run, manifestOf(shards));
        const back: RunImage[][] = [];
        for (const shard of [...shards.keys()].reverse()) back.unshift(await read.read(shard));
        expect(back.flat()).toEqual(images);
      }),
      { numRuns: 60 },
    );
  });

  it("are refused when the list is not as long as the manifest says", async () => {
    const run = await freshRun();
    await writeFile(imagesFile(run), '{"key":"a","path":"a"}\n');
    await expect(ShardImages.open(run, manifestOf([{ images: 1, bytes: 99 }]))).rejects.toMatchObject({ code: "journal-damaged", message: expect.stringContaining("expected 99 bytes, found 23") as string });
  });
});

describe("a part", () => {
  const value = fc.float({ noNaN: true });
  const embedded = fc.integer({ min: 1, max: 9 }).chain((width) =>
    fc.array(fc.oneof(fc.record({ embedding: fc.array(value, { minLength: width, maxLength: width }).map((values) => Float32Array.from(values)) }), fc.record({ error: text })), { maxLength: 20 }),
  );
  const captioned = fc.array(fc.oneof(fc.record({ caption: fc.string({ unit: "grapheme" }) }), fc.record({ error: text })), { maxLength: 20 });

  it("reads back as it was written, whatever is in it", () => {
    fc.assert(
      fc.property(fc.oneof(embedded, captioned), fc.nat(), (outcomes, shard) => {
        const part = { run: "0123456789abcdef", shard, paths: outcomes.map((_, i) => `"\n${i}.jpg`), outcomes: outcomes as ImageOutcome[] };
        const { width, ...back } = decodePart(encodePart(part));
        expect(back).toEqual(part);
        expect(width).toBe(outcomes.flatMap((outcome) => ("embedding" in outcome ? [outcome.embedding.length] : []))[0] ?? 0);
      }),
    );
  });

  it("is refused when a byte of it is another, or is missing", () => {
    fc.assert(
      fc.property(embedded, fc.nat(), fc.integer({ min: 1, max: 255 }), (outcomes, at, change) => {
        const bytes = encodePart({ run: "0123456789abcdef", shard: 3, paths: outcomes.map((_, i) => `${i}`), outcomes });
        const end = bytes.indexOf(0x0a) + 1;
        expect(() => decodePart(bytes.subarray(0, bytes.length - 1 - (at % bytes.length)))).toThrow();
        fc.pre(bytes.length > end);
        const damaged = Uint8Array.from(bytes);
        const place = end + (at % (bytes.length - end));
        damaged[place] = (damaged[place] as number) ^ change;
        expect(() => decodePart(damaged)).toThrow("its content is not what was written");
      }),
    );
  });

  it("counts as there only when it is whole, of this run and this shard; its failures are listed beside it", async () => {
    const run = await freshRun();
    const part = { run: "0123456789abcdef", shard: 4, paths: ["a.png", "b.png"], outcomes: [{ embedding: Float32Array.of(1, 2) }, { error: "is torn" }] };
    expect(await hasPart(run, part.run, 4)).toBe(false);
    await writePart(run, part);
    expect([await hasPart(run, part.run, 4), await hasPart(run, "ffffffffffffffff", 4), await hasPart(run, part.run, 5)]).toEqual([true, false, false]);
    expect(await readPart(run, 4)).toEqual({ ...part, width: 2 });
    expect(await readFile(path.join(run, "failures", "000004.jsonl"), "utf8")).toBe('{"path":"b.png","error":"is torn"}\n');
    expect([await shardsIn(run, "parts", ".part"), await shardsIn(run, "failures", ".jsonl")]).toEqual([new Set([4]), new Set([4])]);
    // Done again, with nothing that fails.
    await writePart(run, { ...part, outcomes: [{ embedding: Float32Array.of(1, 2) }, { embedding: Float32Array.of(3, 4) }] });
    expect(await shardsIn(run, "failures", ".jsonl")).toEqual(new Set());
    await truncate(partFile(run, 4), (await readFile(partFile(run, 4))).length - 1);
    expect(await hasPart(run, part.run, 4)).toBe(false);
    await writeFile(partFile(run, 4), "");
    expect(await hasPart(run, part.run, 4)).toBe(false);
  });
});

describe("the manifest", () => {
  it("is checked field by field", async () => {
    const good = manifestOf([{ images: 10, bytes: 100 }, { images: 1, bytes: 10 }]);
    expect(parseRunManifest(JSON.parse(JSON.stringify(good)))).toEqual(good);
    expect(() => parseRunManifest({ ...good, images: 12 })).toThrow("the shards do not add up to the images");
    expect(() => parseRunManifest({ ...good, settings: { task: "caption" } })).toThrow(/settings\.prompt/);
    expect(() => parseRunManifest({ ...good, version: 2 })).toThrow(/version/);
    const run = await freshRun();
    expect(await findRunManifest(run)).toBeUndefined();
    await writeFile(path.join(run, "manifest.json"), "{");
    await expect(findRunManifest(run)).rejects.toMatchObject({ code: "journal-damaged" });
  });
});

describe("a pod of an Indexed Job", () => {
  it("has its own shards, and all pods together have each once", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 40 }), (shards, count) => {
        const all = Array.from({ length: count }, (_, i) => shardsOfJob({ JOB_COMPLETION_INDEX: String(i), JOB_COMPLETION_COUNT: String(count) }, shards));
        expect(all.flatMap((some) => some as number[]).sort((a, b) => a - b)).toEqual(Array.from({ length: shards }, (_, i) => i));
      }),
    );
  });

  it("without a count has the one shard of its index", () => {
    expect(shardsOfJob({}, 5)).toBeUndefined();
    expect(shardsOfJob({ JOB_COMPLETION_INDEX: "4" }, 5)).toEqual([4]);
    expect(() => shardsOfJob({ JOB_COMPLETION_INDEX: "5" }, 5)).toThrow(/has 5 shards; set the job's completions to 5/);
    expect(() => shardsOfJob({ JOB_COMPLETION_INDEX: "two" }, 5)).toThrow(/expected a whole number, got "two"/);
    expect(() => shardsOfJob({ JOB_COMPLETION_INDEX: "3", JOB_COMPLETION_COUNT: "3" }, 5)).toThrow(/must be below JOB_COMPLETION_COUNT, 3/);
  });
});

describe("notes of attempts", () => {
  const begin = (worker: string): string => `{"begin":"${worker}"}\n`;
  const end = (worker: string): string => `{"end":"${worker}"}\n`;
  const image = (worker: string, name: string): string => `{"image":"${name}","by":"${worker}"}\n`;

  it("count workers that neither ended nor gave back, and look at images one by one after three", () => {
    expect(historyOf("")).toEqual({ lost: 0, careful: false, poison: new Set() });
    expect(historyOf(begin("a") + end("a") + begin("b") + end("b") + begin("c"))).toMatchObject({ lost: 1, careful: false });
    expect(historyOf(begin("a") + begin("b") + begin("a"))).toMatchObject({ lost: 3, careful: true });
    expect(historyOf(`${begin("a")}{"beg`)).toMatchObject({ lost: 1 });
  });

  it("name an image that ended two workers, and not one that was there when a worker was killed once", () => {
    const lost = begin("a") + begin("b") + begin("c");
    const once = `${lost}${begin("d")}${image("d", "x.png")}${image("d", "y.png")}`;
    expect(historyOf(once).poison).toEqual(new Set());
    expect(historyOf(`${once}${begin("e")}${image("e", "x.png")}${image("e", "y.png")}`).poison).toEqual(new Set(["y.png"]));
    expect(historyOf(`${once}${begin("e")}${image("e", "y.png")}${end("e")}`).poison).toEqual(new Set());
  });
});

describe("a lock", () => {
  it("is one worker's until it is given back", async () => {
    const run = await freshRun();
    const lock = await lockShard(run, 0, 60_000);
    expect(lock).toBeDefined();
    expect(await lockShard(run, 0, 60_000)).toBeUndefined();
    expect(await lockShard(run, 1, 60_000)).toBeDefined();
    await lock?.release();
    expect(await lockShard(run, 0, 60_000)).toBeDefined();
  });

  it("of a process that is gone, or that was silent for too long, goes to one of those who want it", async () => {
    const run = await freshRun();
    const { hostname } = await import("node:os");
    const { utimes } = await import("node:fs/promises");
    // No process has the number of the largest pid and one.
    await writeFile(path.join(run, "locks", "000000"), `${hostname()} 4194305 x`);
    await writeFile(path.join(run, "locks", "000001"), "another-machine 1 x");
    const takers = await Promise.all(Array.from({ length: 8 }, () => lockShard(run, 0, 60_000)));
    expect(takers.filter((lock) => lock !== undefined)).toHaveLength(1);
    expect(await lockShard(run, 1, 60_000)).toBeUndefined();
    const before = new Date(Date.now() - 61_000);
    await utimes(path.join(run, "locks", "000001"), before, before);
    expect(await lockShard(run, 1, 60_000)).toBeDefined();
  });
});

describe("COCO's image_id", () => {
  it("is the number of the file's name, or the name", () => {
    expect(["val/COCO_val2014_000000391895", "000000000139", "cat", "photo-1", "a_99999999999999999999"].map(cocoId)).toEqual([391_895, 139, "cat", "photo-1", "a_99999999999999999999"]);
  });
});

describe("the address of a Redis", () => {
  it("is named without what opens it, and checked without repeating it", () => {
    expect(redisName("rediss://user:secret@host:6380/2")).toBe("rediss://host:6380/2");
    for (const bad of ["host:6379", "http://:secret@host", "redis://", ""]) {
      expect(() => checkRedisUrl(bad)).toThrow(/^bulk: --redis: expected redis:\/\/\[user:password@\]host/);
    }
  });
});

describe("the status as text", () => {
  const worker = { host: "a", pid: 1, state: "working", images: 90, failed: 1, shards: 2, imagesPerSecond: 12.5 } as const;
  const status = {
    run: "runs/1",
    task: "embed",
    model: "mini",
    complete: false,
    shards: { total: 10, done: 4, working: 1 },
    images: { total: 1000, done: 400, failed: 7 },
    failures: Array.from({ length: 7 }, (_, i) => ({ path: `${i}.png`, error: `decodeImage: ${i}.png: is empty\nmore` })),
    workers: [
      { ...worker, worker: "a-1", shard: 4, shardImages: 50 },
      { ...worker, worker: "b-2", state: "loading", shardImages: 0 },
    ],
    imagesPerSecond: 25,
    secondsLeft: 22,
  } as const;

  it("says how far all workers are together, how fast, and how long it will take", () => {
    expect(statusText(status, { waiting: 5, active: 1, delayed: 0, failed: 0 })).toBe(
      [
        "runs/1: embed with mini",
        "[#############-----------------] 45%  4 of 10 shards, 400 of 1000 images, 7 failed",
        "2 workers, 25.0 images/s, 22s left",
        "queue: 5 waiting, 1 active, 0 to be tried again, 0 given up",
        "  a-1: shard 4, 50 images of it, 12.5/s",
        "  b-2: loading, 12.5/s",
        ...[0, 1, 2, 3, 4].map((i) => `  failed: decodeImage: ${i}.png: is empty`),
        "  and 2 more",
        "",
      ].join("\n"),
    );
  });

  it("knows no time while nobody works, and none is left when all is done", () => {
    expect(statusText({ ...status, workers: [], imagesPerSecond: 0, secondsLeft: null, failures: [], images: { total: 1000, done: 400, failed: 0 } }, undefined)).toMatch(/\n0 workers, 0\.0 images\/s\n$/);
    expect(statusText({ ...status, complete: true, workers: [], failures: [] }, undefined)).toMatch(/\[#{30}\] 100%[^\n]*\ndone; make it one file with: sightline bulk collect --run runs\/1 --out F\.parquet\n/);
  });
});
