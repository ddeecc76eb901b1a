import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { collectRun } from "../src/collect-run.js";
import { runStatus, type RunStatus } from "../src/run-status.js";
import { bulk, readLines, readParquet, startBulk, temporaryFolder } from "./command.js";
import { hasRedisServer, RedisServer } from "./redis-server.js";
import { writePictures } from "./pictures.js";

describe.skipIf(!hasRedisServer())("sightline bulk through a real Redis", () => {
  let folder: string;
  let photos: string;
  const shards = 200;
  const broken = [17, 399, 640];
  const name = (i: number): string => `${String(i).padStart(4, "0")}.png`;
  beforeAll(async () => {
    folder = await temporaryFolder();
    photos = path.join(folder, "photos");
    await mkdir(photos);
    await writePictures(photos, shards * 4, name);
    for (const i of broken) await writeFile(path.join(photos, name(i)), "this is no picture");
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("200 shards, three workers, one killed every few seconds, Redis restarted once: every image exactly once", { timeout: 400_000 }, async () => {
    const run = path.join(folder, "run");
    const data = path.join(folder, "redis");
    await mkdir(data);
    const redis = await RedisServer.start(data);
    const work = (): ReturnType<typeof startBulk> => startBulk(["work", "--run", run, "--redis", redis.url, "--threads", "1", "--stale-seconds", "2"]);
    const workers = new Set<ReturnType<typeof startBulk>>();
    const results: Awaited<ReturnType<typeof startBulk>["ended"]>[] = [];
    let over = false;
    const begin = (): void => {
      const worker = work();
      workers.add(worker);
      void worker.ended.then((result) => {
        workers.delete(worker);
        // Whoever was not killed ends because all is done.
        if (result.code === null) return;
        // One that began in the half second without Redis says so and ends; whoever watches over workers begins another.
        if (result.code === 1 && result.stderr.includes("no Redis at")) {
          begin();
          return;
        }
        over = true;
        results.push(result);
      });
    };
    try {
      const submitted = await bulk("submit", photos, "--run", run, "--task", "embed", "--shard-size", "4", "--redis", redis.url, "--json");
      expect(submitted).toMatchObject({ code: 0, stderr: "" });
      expect(JSON.parse(submitted.stdout)).toMatchObject({ images: 800, shards, missing: shards, queued: shards, isNew: true });
      for (let i = 0; i < 3; i++) begin();
      let kills = 0;
      let restarted = false;
      let most: RunStatus | undefined;
      const parts = async (): Promise<number> => (await readdir(path.join(run, "parts"))).filter((file) => /^\d+\.part$/.test(file)).length;
      // By what is done and not by the clock: on a machine that is busy with other things, workers take long to begin.
      let next = 10;
      const isOver = (): boolean => over;
      while (!isOver()) {
        await setTimeout(50);
        const done = await parts();
        if (done < next) continue;
        next = done + 15;
        const [victim] = workers;
        if (victim && done < shards - 10) {
          victim.child.kill("SIGKILL");
          kills++;
          begin();
        }
        if (!restarted && done > 60) {
          most = await runStatus(run);
          await redis.stop();
          await setTimeout(500);
          await redis.start();
          restarted = true;
        }
      }
      expect(restarted).toBe(true);
      expect(kills).toBeGreaterThanOrEqual(3);
      expect(most?.workers.length).toBeGreaterThan(0);
      expect(most?.imagesPerSecond).toBeGreaterThan(0);
      await Promise.all([...workers].map((worker) => worker.ended));
      for (const { code, stderr } of results) expect([code, stderr.replaceAll(/^(?:sightline: Redis at redis:\/\/127\.0\.0\.1:\d+ is (?:away|back)[^\n]*|\d+ %: [^\n]*)\n/gm, "")]).toEqual([0, ""]);

      const status = await runStatus(run);
      expect(status).toMatchObject({ complete: true, shards: { total: shards, done: shards }, images: { total: 800, done: 800, failed: 3 }, secondsLeft: 0 });
      const out = path.join(folder, "out.parquet");
      expect(await collectRun({ run, out })).toEqual({ out, images: 800, rows: 797, failed: 3, errorsFile: `${out}.errors.jsonl`, width: 256 });
      const { rows } = await readParquet<{ path: string; embedding: number[] }>(out);
      const all = Array.from({ length: 800 }, (_, i) => path.join(photos, name(i)));
      expect(rows.map((row) => row.path)).toEqual(all.filter((_, i) => !broken.includes(i)));
      for (const { embedding } of rows) expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
      expect((await readLines<{ path: string; error: string }>(`${out}.errors.jsonl`)).map((line) => [line.path, /unsupported|not|no/.test(line.error)])).toEqual(broken.map((i) => [all[i], true]));
    } finally {
      over = true;
      for (const { child } of workers) child.kill("SIGKILL");
      await redis.stop();
    }
  });

  it("a Redis that lost everything loses nothing: submit puts back what is missing; its password is in no file and no output", { timeout: 300_000 }, async () => {
    const run = path.join(folder, "lost");
    const data = path.join(folder, "redis-lost");
    await mkdir(data);
    const password = "s3cret-Pa55";
    const redis = await RedisServer.start(data, "--requirepass", password);
    const url = `redis://:${password}@127.0.0.1:${redis.port}`;
    let said = "";
    try {
      const first = await bulk("submit", `${photos}/000?.png`, "--run", run, "--task", "embed", "--shard-size", "2", "--redis", url);
      expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/10 images in 5 shards of up to 2\n5 jobs put into the queue at redis:\/\/127\.0\.0\.1:\d+\n$/) as string });
      await redis.stop();
      await rm(path.join(data, "appendonlydir"), { recursive: true });
      await redis.start();
      const worker = startBulk(["work", "--run", run, "--threads", "1"], { SIGHTLINE_REDIS_URL: url });
      let heard = "";
      worker.child.stderr?.on("data", (piece: Buffer) => (heard += piece.toString()));
      while (!/the queue is empty, and 5 shards have no part; fill it again/.test(heard) && worker.child.exitCode === null) await setTimeout(100);
      const again = await bulk("submit", "--run", run, "--redis", url, "--json");
      expect(JSON.parse(again.stdout)).toMatchObject({ isNew: false, missing: 5, queued: 5 });
      // A second time adds nothing to what waits, and puts in what is taken out.
      const done = await worker.ended;
      expect(done).toMatchObject({ code: 0, stdout: expect.stringMatching(/this worker did 5 shards, 10 images\n$/) as string });
      await rm(path.join(run, "parts", "000003.part"));
      const third = await bulk("submit", "--run", run, "--redis", url, "--json");
      expect(JSON.parse(third.stdout)).toMatchObject({ missing: 1, queued: 1 });
      const wrong = await bulk("work", "--run", run, "--redis", url.replace("s3cret", "wr0ng"));
      expect(wrong).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^sightline: bulk: no Redis at redis:\/\/127\.0\.0\.1:\d+: [^\n]*\n$/) as string });
      said = [first, done, again, third, wrong].map(({ stdout, stderr }) => stdout + stderr).join("");
    } finally {
      await redis.stop();
    }
    expect(said).not.toMatch(/Pa55/);
    for (const entry of await readdir(run, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) expect((await readFile(path.join(entry.parentPath, entry.name))).includes("Pa55")).toBe(false);
    }
  });

  it("by Ctrl-C gives its shard back and leaves with 130, and another finishes the run", { timeout: 300_000 }, async () => {
    const run = path.join(folder, "stopped");
    const data = path.join(folder, "redis-stopped");
    await mkdir(data);
    const redis = await RedisServer.start(data);
    try {
      expect((await bulk("submit", photos, "--run", run, "--task", "embed", "--shard-size", "400", "--redis", redis.url)).code).toBe(0);
      const worker = startBulk(["work", "--run", run, "--redis", redis.url, "--threads", "1"]);
      while (!(await runStatus(run)).workers.some(({ shardImages }) => shardImages > 0)) await setTimeout(100);
      worker.child.kill("SIGINT");
      expect(await worker.ended).toMatchObject({ code: 130, stdout: "", stderr: expect.stringMatching(/sightline: stopped; the shard under way was given back/) as string });
      const status = JSON.parse((await bulk("status", "--run", run, "--redis", redis.url, "--json")).stdout) as { queue: unknown; workers: unknown };
      expect(status).toMatchObject({ queue: { waiting: 2, active: 0, delayed: 0, failed: 0 }, workers: [] });
      // A Redis that does not answer keeps nobody.
      const cutOff = startBulk(["work", "--run", run, "--redis", redis.url, "--threads", "1"]);
      while (!(await runStatus(run)).workers.some(({ shardImages }) => shardImages > 0)) await setTimeout(100);
      await redis.stop();
      cutOff.child.kill("SIGINT");
      expect(await Promise.race([cutOff.ended, setTimeout(60_000, "still there")])).toMatchObject({ code: 130 });
    } finally {
      await redis.stop();
    }
  });
});

describe("sightline bulk and a Redis that is not there", () => {
  it.each([
    ["redis://user:s3cret@127.0.0.1:1", /^sightline: bulk: no Redis at redis:\/\/127\.0\.0\.1:1: [^\n]*ECONNREFUSED[^\n]*\n$/],
    ["http://:s3cret@host", /^sightline: bulk: --redis: expected redis:\/\/[^\n]*\n$/],
  ])("says so in one line, without the password: %s", async (url, message) => {
    const folder = await temporaryFolder();
    await writePictures(folder, 1, () => "a.png");
    const { code, stdout, stderr } = await bulk("submit", folder, "--run", path.join(folder, "run"), "--task", "embed", "--redis", url);
    await rm(folder, { recursive: true });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/s3cret/);
  });
});
