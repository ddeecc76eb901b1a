import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";

import { ConfigError, loadSiglip } from "../../src/index.js";
import { checkpointDirectory } from "../../src/config/checkpoint-directory.js";
import { goldenPath } from "../goldens.js";

const revision = "0123456789abcdef0123456789abcdef01234567";
const name = "google/siglip-tiny.test";

let cache: string;
const before = process.env["HF_HUB_CACHE"];

/** A cache as huggingface_hub lays it out: files are links from a snapshot to blobs. */
beforeAll(async () => {
  cache = await mkdtemp(path.join(tmpdir(), "hub-cache-"));
  const folder = path.join(cache, "models--google--siglip-tiny.test");
  const snapshot = path.join(folder, "snapshots", revision);
  for (const part of ["blobs", "refs", path.join("snapshots", revision)]) await mkdir(path.join(folder, part), { recursive: true });
  await writeFile(path.join(folder, "refs", "main"), `${revision}\n`);
  for (const file of ["config.json", "preprocessor_config.json", "model.safetensors"]) {
    await cp(path.join(goldenPath("siglip-float16"), file), path.join(folder, "blobs", `blob-of-${file}`));
    await symlink(path.join("..", "..", "blobs", `blob-of-${file}`), path.join(snapshot, file));
  }
});
afterEach(() => {
  if (before === undefined) delete process.env["HF_HUB_CACHE"];
  else process.env["HF_HUB_CACHE"] = before;
});
afterAll(() => rm(cache, { recursive: true }));

describe("a hub name", () => {
  it("loads from the Hugging Face cache, through its links", async () => {
    process.env["HF_HUB_CACHE"] = cache;
    expect(await checkpointDirectory(name)).toBe(path.join(cache, "models--google--siglip-tiny.test", "snapshots", revision));
    await using siglip = await loadSiglip(name, { towers: ["vision"] });
    await using same = await loadSiglip(goldenPath("siglip-float16"), { towers: ["vision"] });
    const photo = goldenPath("photo.jpg");
    expect((await siglip.encodeImages([photo])).pooled).toEqual((await same.encodeImages([photo])).pooled);
  });

  it("that is not there is an error with both places and the command that fetches it", async () => {
    process.env["HF_HUB_CACHE"] = cache;
    await expect(loadSiglip("google/none")).rejects.toThrow(ConfigError);
    await expect(loadSiglip("google/none")).rejects.toThrow(`is no folder here, nor a model in the Hugging Face cache (${cache}); fetch it with: sightline pull google/none`);
  });

  it("is a path first", async () => {
    expect(await checkpointDirectory("packages/vision-tower")).toBe("packages/vision-tower");
    expect(await checkpointDirectory(goldenPath("siglip-float16"))).toBe(goldenPath("siglip-float16"));
  });
});
