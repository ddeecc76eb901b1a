import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pullModel, type PullEvent, type PullOptions } from "../src/index.js";
import { blobName, FakeHub, sha256 } from "./fake-hub.js";

let hub: FakeHub;
let cache: string;
const decoder = randomBytes(100_000);
const mmproj = randomBytes(30_000);

beforeEach(async () => {
  hub = await FakeHub.start();
  cache = await mkdtemp(path.join(tmpdir(), "sightline-hub-"));
  hub.commit("someone/model-GGUF", { "model-Q4_K_M.gguf": decoder, "model-Q8_0.gguf": randomBytes(9000), "mmproj-model-f16.gguf": mmproj, "config.json": "{}", "README.md": "read me" });
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  await rm(cache, { recursive: true, force: true });
});

function options(more: Partial<PullOptions> = {}): PullOptions {
  return { cacheDirectory: cache, endpoint: hub.url, environment: { HF_HOME: cache }, pieceBytes: 8192, retryDelayMs: 1, ...more };
}

describe("pullModel", () => {
  it("brings one quantisation and its mmproj into the standard layout: blobs by hash, relative links, the ref", async () => {
    const events: PullEvent[] = [];
    const pulled = await pullModel("someone/model-GGUF", options({ onProgress: (event) => events.push(event) }));
    expect(pulled.files.map(({ path, part, bytes }) => [path, part, bytes])).toEqual([
      ["model-Q4_K_M.gguf", "decoder", decoder.length],
      ["mmproj-model-f16.gguf", "vision", mmproj.length],
    ]);
    const commit = hub.repositories.get("someone/model-GGUF")?.commits[0]?.id as string;
    const folder = path.join(cache, "models--someone--model-GGUF");
    expect(pulled.directory).toBe(path.join(folder, "snapshots", commit));
    expect(await readFile(path.join(folder, "refs", "main"), "utf8")).toBe(commit);
    expect(await readlink(path.join(pulled.directory, "model-Q4_K_M.gguf"))).toBe(path.join("..", "..", "blobs", sha256(decoder)));
    expect(await readFile(path.join(pulled.directory, "model-Q4_K_M.gguf"))).toEqual(decoder);
    expect(await readFile(path.join(pulled.directory, "mmproj-model-f16.gguf"))).toEqual(mmproj);
    expect((await readdir(path.join(folder, "blobs"))).sort()).toEqual([blobName(decoder), blobName(mmproj)].sort());
    expect(existsSync(path.join(cache, ".locks", "models--someone--model-GGUF", "sightline.lock"))).toBe(false);
    expect(events.find(({ type }) => type === "resolved")).toMatchObject({ files: 2, missingBytes: 130_000 });
    expect(events.findLast(({ type }) => type === "progress")).toMatchObject({ receivedBytes: 130_000, missingBytes: 130_000 });
  });
});
