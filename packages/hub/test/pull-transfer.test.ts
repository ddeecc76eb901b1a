import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { hostname } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, it } from "vitest";
import { refuse, sha256 } from "./fake-hub.js";
import { bytesOf, pulling } from "./pulling.js";

const test = pulling();
const weights = randomBytes(100_000);
const name = "someone/tower";

beforeEach(() => {
  test.hub.commit(name, { "model.safetensors": weights, "config.json": "{}" });
});

/** Does something else for the first few requests for the weights' bytes. */
function spoil(times: number, how: (response: ServerResponse, range: readonly [number, number], nth: number) => void): void {
  let done = 0;
  test.hub.misbehave = ({ path, method, range }, response) => {
    if (!path.startsWith("/cdn/") || method !== "GET" || done >= times) return false;
    const [, first = "0", last = String(weights.length - 1)] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
    how(response, [Number(first), Number(last)], done++);
    return true;
  };
}

/** What a pull leaves: the file's bytes, and what is not finished. */
async function arrives(more: Parameters<typeof test.pull>[1] = {}): Promise<{ readonly bytes: Buffer; readonly unfinished: readonly string[] }> {
  const bytes = await bytesOf(await test.pull(name, more), "model.safetensors");
  return { bytes, unfinished: (await test.tree(name)).filter((file) => file.includes("incomplete")) };
}

const whole = { bytes: weights, unfinished: [] };

function partOf(response: ServerResponse, [first, last]: readonly [number, number], bytes: Buffer, headers: Record<string, string | number> = {}): void {
  response.writeHead(206, { "content-length": last - first + 1, "content-range": `bytes ${first}-${last}/${weights.length}`, ...headers });
  response.write(bytes);
}

describe("a transfer", () => {
  it("goes on where the connection broke, without asking for what came", async () => {
    spoil(3, (response, [first, last]) => {
      partOf(response, [first, last], weights.subarray(first, first + 3000));
      setTimeout(() => response.destroy(), 20);
    });
    expect(await arrives()).toEqual(whole);
    const ranges = test.hub.transfers().map(({ range }) => range);
    expect(ranges).toEqual(expect.arrayContaining(["bytes=3000-8191", "bytes=11192-16383", "bytes=19384-24575"]));
    expect(test.events.filter(({ type }) => type === "retry")).toHaveLength(3);
  });

  it("survives a server that breaks every answer off, as long as each brings something", async () => {
    spoil(1000, (response, [first, last]) => {
      partOf(response, [first, last], weights.subarray(first, Math.min(last + 1, first + 4000)));
      if (last < first + 4000) response.end();
      else setTimeout(() => response.destroy(), 20);
    });
    expect(await arrives({ attempts: 2 })).toEqual(whole);
  });

  it("ends when the server brings nothing, and the next pull goes on from what came", async () => {
    let seen = 0;
    test.hub.misbehave = ({ path }, response) => {
      if (!path.startsWith("/cdn/") || ++seen <= 6) return false;
      response.destroy();
      return true;
    };
    await expect(test.pull(name, { attempts: 2 })).rejects.toThrow(/^127\.0\.0\.1:\d+ cannot be reached \(connection broken\) \(2 tries\); run the command again, it goes on where it was$/);
    const left = await test.tree(name);
    expect(left).toEqual([`blobs/${sha256(weights)}.sightline.incomplete`, `blobs/${sha256(weights)}.sightline.incomplete.json`].concat(left.filter((file) => !file.includes("incomplete"))));
    expect(left.some((file) => file.startsWith("snapshots/"))).toBe(false);
    test.hub.misbehave = () => false;
    test.hub.seen.length = 0;
    expect(await arrives()).toEqual(whole);
    // 13 pieces, of which 6 came the first time.
    expect(test.hub.transfers().filter(({ server }) => server === "cdn")).toHaveLength(7);
  });

  it("takes a whole file from a server that ignores ranges, over one connection", async () => {
    spoil(1000, (response) => {
      response.writeHead(200, { "content-length": weights.length });
      response.end(weights);
    });
    expect(await arrives()).toEqual(whole);
    // The four that began noticed together; one went on.
    expect(test.hub.transfers().filter(({ server }) => server === "cdn").length).toBeLessThanOrEqual(5);
  });

  it("takes a whole file from a server that ignores ranges and breaks off", async () => {
    spoil(8, (response, _, nth) => {
      response.writeHead(200, { "content-length": weights.length });
      response.write(weights.subarray(0, 20_000 + nth * 10_000));
      setTimeout(() => response.destroy(), 30);
    });
    expect(await arrives({ attempts: 3 })).toEqual(whole);
  });

  it.each([
    ["another range than was asked for", { "content-range": "bytes 5-8196/100000" }],
    ["a range of another file", { "content-range": "bytes 0-8191/99" }],
    ["a range of no form", { "content-range": "octets 0-8191" }],
    ["bytes that are packed", { "content-encoding": "gzip" }],
  ])("does not take %s", async (_, headers) => {
    spoil(2, (response, range) => {
      partOf(response, range, Buffer.alloc(0), headers);
      response.end(Buffer.alloc(8192));
    });
    expect(await arrives()).toEqual(whole);
    expect(test.events.filter(({ type }) => type === "retry")).toHaveLength(2);
    expect(test.events.find(({ type }) => type === "retry")).toMatchObject({ reason: expect.stringMatching(/model\.safetensors: asked for bytes \d+ to \d+ of 100000, got /) });
  });

  it("says what came when ranges stay wrong", async () => {
    spoil(1000, (response, range) => {
      partOf(response, range, Buffer.alloc(0), { "content-range": "bytes 7-9/12" });
      response.end();
    });
    await expect(test.pull(name, { attempts: 2 })).rejects.toThrow(/model\.safetensors: asked for bytes \d+ to \d+ of 100000, got bytes 7-9\/12 \(2 tries\)/);
  });

  it("is content with less than it asked for, and asks for the rest at once", async () => {
    spoil(1000, (response, [first, last]) => {
      const to = Math.min(last, first + 2999);
      response.writeHead(206, { "content-length": to - first + 1, "content-range": `bytes ${first}-${to}/${weights.length}` });
      response.end(weights.subarray(first, to + 1));
    });
    expect(await arrives()).toEqual(whole);
    expect(test.events.filter(({ type }) => type === "retry")).toEqual([]);
  });

  it("takes files from a mirror whose ETags are its own", async () => {
    test.hub.misbehave = ({ method, path, server }, response) => {
      if (method !== "HEAD" || server !== "hub") return false;
      response.writeHead(200, { etag: 'W/"mirror-1"', "content-length": path.endsWith("config.json") ? 2 : weights.length });
      response.end();
      return true;
    };
    expect(await arrives()).toEqual(whole);
  });

  it("does not read on when a server sends more than was asked for", async () => {
    spoil(2, (response, [first, last]) => {
      response.writeHead(206, { "content-range": `bytes ${first}-${last}/${weights.length}` });
      response.end(Buffer.concat([weights.subarray(first, last + 1), randomBytes(50_000)]));
    });
    expect(await arrives()).toEqual(whole);
  });

  it("brings a file again whose bytes were wrong", async () => {
    spoil(1, (response, [first, last]) => {
      partOf(response, [first, last], randomBytes(last - first + 1));
      response.end();
    });
    expect(await arrives()).toEqual(whole);
    expect(test.events.filter(({ type }) => type === "repair")).toMatchObject([{ path: "model.safetensors", reason: "the bytes that came are not those that its hash names" }]);
  });

  it("refuses bytes that are wrong twice, and keeps nothing of them", async () => {
    spoil(1000, (response, [first, last]) => {
      partOf(response, [first, last], Buffer.alloc(last - first + 1));
      response.end();
    });
    await expect(test.pull(name)).rejects.toThrow(/^127\.0\.0\.1:\d+ twice sent other bytes for model\.safetensors than its hash says \(\w{12}\.\.\.\); nothing of it was kept: try later, or another HF_ENDPOINT$/);
    expect((await test.tree(name)).filter((file) => file.includes(sha256(weights)))).toEqual([]);
    test.hub.misbehave = () => false;
    expect(await arrives()).toEqual(whole);
  });

  it("checks small files by git's hash", async () => {
    test.hub.misbehave = ({ path, method }, response) => {
      if (method !== "GET" || !path.includes("/resolve/") || !path.endsWith("config.json")) return false;
      response.writeHead(200, { "content-length": 2 });
      response.end("[]");
      return true;
    };
    await expect(test.pull(name)).rejects.toThrow("twice sent other bytes for config.json");
  });

  it("waits as long as a server asks that had too many requests", async () => {
    const started = Date.now();
    spoil(1, (response) => refuse(response, 429, undefined, "Too many requests", { "retry-after": "1" }));
    expect(await arrives()).toEqual(whole);
    expect(Date.now() - started).toBeGreaterThanOrEqual(990);
    expect(test.events.find(({ type }) => type === "retry")).toMatchObject({ waitMs: 1000, reason: expect.stringContaining("too many requests (429)") });
  });

  it("does not wait for hours", async () => {
    spoil(1000, (response) => refuse(response, 429, undefined, "Too many requests", { "retry-after": "7200" }));
    await expect(test.pull(name)).rejects.toThrow("says that there were too many requests (429) and asks to wait 120 minutes; run the command again then, it goes on where it was");
  });

  it("asks the hub for a new address when a signed one ran out", async () => {
    spoil(1, (response) => refuse(response, 403, undefined, "Request has expired"));
    expect(await arrives()).toEqual(whole);
    expect(test.hub.seen.filter(({ method, path, server }) => server === "hub" && method === "GET" && path.endsWith("model.safetensors")).length).toBeGreaterThanOrEqual(1);
  });

  it("tries again when the hub itself stumbles", async () => {
    let stumbles = 0;
    test.hub.misbehave = ({ server }, response) => {
      if (server !== "hub" || stumbles++ % 2 === 1) return false;
      refuse(response, 503, undefined, "busy");
      return true;
    };
    expect(await arrives()).toEqual(whole);
  });

  it("stops at once when it is aborted, and goes on the next time", async () => {
    const controller = new AbortController();
    let answered = 0;
    test.hub.misbehave = ({ path, method }) => {
      if (path.startsWith("/cdn/") && method === "GET" && ++answered === 5) controller.abort(new Error("enough"));
      return false;
    };
    await expect(test.pull(name, { signal: controller.signal, connections: 1 })).rejects.toThrow("enough");
    expect((await test.tree(name)).filter((file) => file.startsWith("snapshots/"))).toEqual([]);
    test.hub.misbehave = () => false;
    test.hub.seen.length = 0;
    expect(await arrives({ connections: 1 })).toEqual(whole);
    expect(test.hub.transfers().filter(({ server }) => server === "cdn").length).toBeLessThan(13);
  });

  it("does not begin where the file that was begun became another", async () => {
    const folder = path.join(test.cache, "models--someone--tower", "blobs");
    await mkdir(folder, { recursive: true });
    const partial = path.join(folder, `${sha256(weights)}.sightline.incomplete`);
    await writeFile(partial, randomBytes(500));
    // It claims more than is there.
    await writeFile(`${partial}.json`, JSON.stringify({ version: 1, bytes: 100_000, pieceBytes: 8192, received: new Array<number>(13).fill(8192) }));
    expect(await arrives()).toEqual(whole);
  });

  it("that nobody went on with for a week is cleared away by the next that ends well", async () => {
    const folder = path.join(test.cache, "models--someone--tower", "blobs");
    await mkdir(folder, { recursive: true });
    const [old, recent] = ["a", "b"].map((letter) => path.join(folder, `${letter.repeat(64)}.sightline.incomplete`)) as [string, string];
    for (const file of [old, `${old}.json`, recent]) await writeFile(file, "half");
    const monthAgo = new Date(Date.now() - 30 * 24 * 3_600_000);
    for (const file of [old, `${old}.json`]) await utimes(file, monthAgo, monthAgo);
    await test.pull(name);
    expect((await test.tree(name)).filter((file) => file.includes("incomplete"))).toEqual([`blobs/${path.basename(recent)}`]);
  });

  it("that fills the disk says so, and the cache is usable afterwards", async ({ skip }) => {
    // Linux's own full disk: every write to it fails with ENOSPC.
    skip(process.platform !== "linux", "needs /dev/full");
    const folder = path.join(test.cache, "models--someone--tower", "blobs");
    await mkdir(folder, { recursive: true });
    const partial = path.join(folder, `${sha256(weights)}.sightline.incomplete`);
    await symlink("/dev/full", partial);
    await expect(test.pull(name)).rejects.toThrow(/^the disk of .* is full; make room and run the command again, it goes on where it was$/);
    expect((await test.tree(name)).filter((file) => file.startsWith("snapshots/") || file.startsWith("refs/"))).toEqual([]);
    await rm(partial, { force: true });
    expect(await arrives()).toEqual(whole);
  });

  it("refuses a file that is another than the one that was listed", async () => {
    test.hub.misbehave = ({ method, path }, response) => {
      if (method !== "HEAD" || !path.endsWith("model.safetensors")) return false;
      response.writeHead(200, { "x-linked-etag": `"${"0".repeat(64)}"`, "x-linked-size": "100000" });
      response.end();
      return true;
    };
    await expect(test.pull(name)).rejects.toThrow(/model\.safetensors: the hub listed it with hash \w+ and sends it with 0+; it may have changed in this moment: run the command again/);
  });
});

describe("two pulls", () => {
  it("of one model share one download; the second waits, and says for whom", async () => {
    const first = test.pull(name);
    await sleep(5);
    const events: string[] = [];
    const second = test.pull(name, { onProgress: ({ type }) => events.push(type) });
    const [one, two] = await Promise.all([first, second]);
    expect([one.downloadedBytes, two.downloadedBytes].sort()).toEqual([0, weights.length + 2]);
    expect(test.hub.transfers().filter(({ server }) => server === "cdn")).toHaveLength(13);
    expect(events).toContain("waiting");
  });

  it("do not wait for one that was killed", async () => {
    const locks = path.join(test.cache, ".locks", "models--someone--tower");
    await mkdir(locks, { recursive: true });
    // No process has this number: Linux gives at most 2^22.
    await writeFile(path.join(locks, "sightline.lock"), JSON.stringify({ pid: 2 ** 22 + 1, host: hostname(), id: "x" }));
    expect(await arrives()).toEqual(whole);
    expect(existsSync(path.join(locks, "sightline.lock"))).toBe(false);
  });

  it("can stop waiting", async () => {
    const locks = path.join(test.cache, ".locks", "models--someone--tower");
    await mkdir(locks, { recursive: true });
    const lock = path.join(locks, "sightline.lock");
    await writeFile(lock, JSON.stringify({ pid: 1, host: "another-machine", id: "x" }));
    await expect(test.pull(name, { signal: AbortSignal.timeout(300) })).rejects.toThrow("timeout");
    expect(test.events.find(({ type }) => type === "waiting")).toMatchObject({ pid: 1, host: "another-machine" });
    expect(await readFile(lock, "utf8")).toContain("another-machine");
  });
});
