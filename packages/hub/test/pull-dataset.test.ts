import { readFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { pullDataset } from "../src/index.js";
import { pulling } from "./pulling.js";

const about = pulling();
const rows = Buffer.alloc(5000, "rows");

describe("pullDataset", () => {
  it("brings the files that globs mean into the cache's place for data sets, and nothing twice", async () => {
    const { hub, cache } = about;
    const commit = hub.commit("datasets/owner/captions", { "data/val-0.parquet": rows, "data/train-0.parquet": "train", "README.md": "about" });
    const options = { cacheDirectory: cache, environment: { HF_ENDPOINT: hub.url }, include: ["data/val-*", "*.md"] };
    const pulled = await pullDataset("owner/captions", options);
    expect(pulled.directory).toBe(path.join(cache, "datasets--owner--captions", "snapshots", commit));
    expect(pulled.files.map(({ path: name, downloaded }) => [name, downloaded])).toEqual([["data/val-0.parquet", true], ["README.md", true]]);
    expect((await readFile(path.join(pulled.directory, "data/val-0.parquet"))).equals(rows)).toBe(true);
    const before = hub.transfers().length;
    expect((await pullDataset("owner/captions", options)).downloadedBytes).toBe(0);
    expect(hub.transfers().length).toBe(before);
    // Without a network the cache has it.
    expect((await pullDataset("owner/captions", { ...options, offline: true })).directory).toBe(pulled.directory);
  });

  it("says what is there when a glob fits nothing, and refuses what is no name", async () => {
    const { hub, cache } = about;
    hub.commit("datasets/owner/captions", { "data/val-0.parquet": rows });
    const options = { cacheDirectory: cache, environment: { HF_ENDPOINT: hub.url } };
    await expect(pullDataset("owner/captions", { ...options, include: ["data/test-*"] })).rejects.toThrow("owner/captions has no file that fits data/test-*; it has data/val-0.parquet");
    await expect(pullDataset("../captions", options)).rejects.toMatchObject({ code: "bad-reference" });
  });
});
