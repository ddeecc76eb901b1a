import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockRepository } from "../src/cache/repository-lock.js";

let cache: string;
const file = (): string => path.join(cache, ".locks", "models--a--b", "sightline.lock");
beforeEach(async () => {
  cache = await mkdtemp(path.join(tmpdir(), "sightline-lock-"));
  await mkdir(path.dirname(file()), { recursive: true });
});
afterEach(() => rm(cache, { recursive: true }));

describe("a lock", () => {
  it("is held by one at a time, however many come at once", async () => {
    let [inside, most, turns] = [0, 0, 0];
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const lock = await lockRepository(cache, "a/b");
        most = Math.max(most, ++inside);
        await sleep(5);
        inside--;
        turns++;
        await lock.release();
      }),
    );
    expect([most, turns]).toEqual([1, 8]);
  });

  it("of a dead process is taken over by one of those who wait", async () => {
    await writeFile(file(), JSON.stringify({ pid: 2 ** 22 + 1, host: hostname(), id: "dead" }));
    let inside = 0;
    await Promise.all(
      Array.from({ length: 6 }, async () => {
        const lock = await lockRepository(cache, "a/b");
        expect(++inside).toBe(1);
        await sleep(2);
        inside--;
        await lock.release();
      }),
    );
    await expect(readFile(file())).rejects.toThrow("ENOENT");
  });

  it("of another machine is taken over when that gave no sign for a minute", async () => {
    await writeFile(file(), JSON.stringify({ pid: 1, host: "elsewhere", id: "x" }));
    const old = new Date(Date.now() - 90_000);
    await utimes(file(), old, old);
    const lock = await lockRepository(cache, "a/b");
    expect(JSON.parse(await readFile(file(), "utf8"))).toMatchObject({ pid: process.pid, host: hostname() });
    await lock.release();
  });

  it("that another took says so, and is left to the other", async () => {
    const lock = await lockRepository(cache, "a/b");
    await lock.check();
    await writeFile(file(), JSON.stringify({ pid: 1, host: "elsewhere", id: "x" }));
    await expect(lock.check()).rejects.toThrow("another process took over the pull of a/b while this one slept; run the command again");
    await lock.release();
    expect(await readFile(file(), "utf8")).toContain("elsewhere");
  });
});
