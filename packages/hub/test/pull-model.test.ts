import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, readlink, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { blobName, sha256 } from "./fake-hub.js";
import { bytesOf, pulling } from "./pulling.js";

const test = pulling();
const decoder = randomBytes(100_000);
const mmproj = randomBytes(30_000);
const name = "someone/model-GGUF";

function upload(): string {
  return test.hub.commit(name, { "model-Q4_K_M.gguf": decoder, "model-Q8_0.gguf": randomBytes(9000), "mmproj-model-f16.gguf": mmproj, "config.json": "{}", "README.md": "read me" });
}

describe("a pull", () => {
  it("brings one quantisation and its mmproj into the standard layout: blobs by hash, relative links, the ref", async () => {
    const commit = upload();
    const pulled = await test.pull(name);
    expect(pulled.files.map(({ path, part, bytes, sha256 }) => [path, part, bytes, sha256])).toEqual([
      ["model-Q4_K_M.gguf", "decoder", decoder.length, sha256(decoder)],
      ["mmproj-model-f16.gguf", "vision", mmproj.length, sha256(mmproj)],
    ]);
    const folder = path.join(test.cache, "models--someone--model-GGUF");
    expect(pulled.directory).toBe(path.join(folder, "snapshots", commit));
    expect(await readFile(path.join(folder, "refs", "main"), "utf8")).toBe(commit);
    expect(await readlink(path.join(pulled.directory, "model-Q4_K_M.gguf"))).toBe(path.join("..", "..", "blobs", sha256(decoder)));
    expect(await bytesOf(pulled, "model-Q4_K_M.gguf")).toEqual(decoder);
    expect(await bytesOf(pulled, "mmproj-model-f16.gguf")).toEqual(mmproj);
    expect(await test.tree(name)).toEqual([`blobs/${sha256(decoder)}`, `blobs/${sha256(mmproj)}`, "refs/main", `snapshots/${commit}/mmproj-model-f16.gguf`, `snapshots/${commit}/model-Q4_K_M.gguf`].sort());
    expect(existsSync(path.join(test.cache, ".locks", "models--someone--model-GGUF", "sightline.lock"))).toBe(false);
  });

  it("tells how much there is, how much came, and that it is done", async () => {
    upload();
    await test.pull(name);
    expect(test.events.find(({ type }) => type === "resolved")).toMatchObject({ files: 2, totalBytes: 130_000, missingBytes: 130_000 });
    expect(test.events.findLast(({ type }) => type === "progress")).toMatchObject({ receivedBytes: 130_000, missingBytes: 130_000 });
    expect(test.events.filter(({ type }) => type === "file")).toHaveLength(2);
  });

  it("asks for ranges over several connections, and for each byte once", async () => {
    upload();
    await test.pull(name, { pieceBytes: 8192 });
    const ranges = test.hub.transfers().map(({ range }) => range);
    expect(ranges).toHaveLength(Math.ceil(100_000 / 8192) + Math.ceil(30_000 / 8192));
    expect(new Set(ranges.slice(0, 13)).size).toBe(13);
    expect(ranges).toContain("bytes=98304-99999");
  });

  it("fetches nothing the second time", async () => {
    upload();
    await test.pull(name);
    test.hub.seen.length = 0;
    const again = await test.pull(name);
    expect(again.downloadedBytes).toBe(0);
    expect(again.files.every(({ downloaded }) => !downloaded)).toBe(true);
    expect(test.hub.transfers()).toEqual([]);
    expect(test.events.some(({ type }) => type === "check")).toBe(false);
  });

  it("takes another quantisation, a glob, or a file by name", async () => {
    upload();
    expect((await test.pull(`${name}:q8_0`)).files.map(({ path }) => path)).toEqual(["model-Q8_0.gguf", "mmproj-model-f16.gguf"]);
    expect((await test.pull(`${name}:*.json`)).files.map(({ path }) => path)).toEqual(["config.json"]);
    expect((await test.pull(`${name}:README.md`)).files.map(({ path }) => path)).toEqual(["README.md"]);
    await expect(test.pull(`${name}:Q2_K`)).rejects.toThrow(`${name} has no Q2_K; it has model-Q4_K_M.gguf, model-Q8_0.gguf`);
    await expect(test.pull(`${name}:*.onnx`)).rejects.toThrow("has no file that fits *.onnx");
  });

  it("takes a checkpoint's safetensors and JSON, and leaves pickles and other frameworks alone", async () => {
    test.hub.commit("someone/tower", { "config.json": "{}", "tokenizer.json": "{}", "model.safetensors": decoder, "pytorch_model.bin": decoder, "tf_model.h5": decoder, "onnx/model.onnx": decoder, ".gitattributes": "" });
    expect((await test.pull("someone/tower")).files.map(({ path }) => path).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
  });

  it("keeps folders, empty files and names that a URL would misread", async () => {
    test.hub.commit("someone/odd", { "sub folder/weights #1?.safetensors": decoder, "empty.txt": "" });
    const pulled = await test.pull("someone/odd:**");
    expect(await bytesOf(pulled, "sub folder/weights #1?.safetensors")).toEqual(decoder);
    expect(await bytesOf(pulled, "empty.txt")).toHaveLength(0);
    expect(await readlink(path.join(pulled.directory, "sub folder", "weights #1?.safetensors"))).toBe(path.join("..", "..", "..", "blobs", sha256(decoder)));
  });

  it("brings a revision beside main, and leaves main where it is", async () => {
    const first = upload();
    const second = test.hub.commit(name, { "model-Q4_K_M.gguf": mmproj });
    const old = await test.pull(name, { revision: "v1" });
    expect(old.repositories).toMatchObject([{ revision: "v1", commit: first }]);
    expect(await bytesOf(old, "model-Q4_K_M.gguf")).toEqual(decoder);
    expect((await test.pull(`${name}@${first}`)).repositories).toMatchObject([{ commit: first }]);
    expect((await test.tree(name)).filter((file) => file.startsWith("refs/"))).toEqual(["refs/v1"]);
    expect((await test.pull(name)).repositories).toMatchObject([{ revision: "main", commit: second }]);
    await expect(test.pull(name, { revision: "nowhere" })).rejects.toThrow(`${name} has no such revision; see its branches at`);
    await expect(test.pull(name, { revision: "../../etc" })).rejects.toThrow("expected a branch, a tag or a commit as revision");
  });

  it("fetches what changed upstream between two pulls, and says that the revision moved", async () => {
    const first = upload();
    await test.pull(name);
    const changed = randomBytes(50_000);
    const second = test.hub.commit(name, { "model-Q4_K_M.gguf": changed });
    test.hub.seen.length = 0;
    const pulled = await test.pull(name);
    expect(test.events.find(({ type }) => type === "resolved")).toMatchObject({ missingBytes: 50_000, repositories: [{ commit: second, previousCommit: first }] });
    expect(await bytesOf(pulled, "model-Q4_K_M.gguf")).toEqual(changed);
    expect(pulled.files.map(({ downloaded }) => downloaded)).toEqual([true, false]);
    // The old snapshot stays whole for whoever has it open.
    expect(await readFile(path.join(test.cache, "models--someone--model-GGUF", "snapshots", first, "model-Q4_K_M.gguf"))).toEqual(decoder);
  });

  it("moves no revision before all files are there", async () => {
    const first = upload();
    await test.pull(name);
    test.hub.commit(name, { "model-Q4_K_M.gguf": randomBytes(20_000), "mmproj-model-f16.gguf": randomBytes(20_000) });
    test.hub.misbehave = ({ path }, response) => {
      if (!path.startsWith("/cdn/") || !path.includes("mmproj")) return false;
      response.destroy();
      return true;
    };
    await expect(test.pull(name, { attempts: 2 })).rejects.toThrow("run the command again, it goes on where it was");
    expect(await readFile(path.join(test.cache, "models--someone--model-GGUF", "refs", "main"), "utf8")).toBe(first);
  });

  it("refuses files that would lie outside their folder", async () => {
    for (const bad of ["../evil.json", "a/../../evil.json", "/etc/evil.json", "a\\..\\evil.json", "C:evil.json"]) {
      test.hub.repositories.delete("someone/evil");
      test.hub.commit("someone/evil", { [bad]: "{}", "model.safetensors": decoder });
      await expect(test.pull("someone/evil")).rejects.toThrow("which would lie outside its folder; nothing was written");
    }
    expect(existsSync(path.join(test.cache, "evil.json"))).toBe(false);
  });
});

describe("a name", () => {
  it("that nobody knows is an error with the nearest ones", async () => {
    await expect(test.pull("gemma-3-4b")).rejects.toThrow('there is no model "gemma-3-4b" (did you mean gemma-3-4b-it?)');
    await expect(test.pull("qwen3vl-2b")).rejects.toThrow("did you mean qwen3-vl-2b");
    await expect(test.pull("xyzzy")).rejects.toThrow('there is no model "xyzzy"; sightline list --all shows the known ones, and any other is named owner/repository');
    await expect(test.pull("gemma-3-4b-it:Q3_K_S")).rejects.toThrow("gemma-3-4b-it has no Q3_K_S; choose gemma-3-4b-it:Q4_K_M, gemma-3-4b-it:Q8_0");
    await expect(test.pull("mini")).rejects.toThrow("mini comes with the package; there is nothing to pull");
    expect(test.hub.seen).toEqual([]);
  });

  it("of a manifest brings its files, found by their patterns", async () => {
    test.hub.commit("ggml-org/gemma-3-4b-it-GGUF", { "gemma-3-4b-it-Q4_K_M.gguf": decoder, "gemma-3-4b-it-Q8_0.gguf": mmproj, "mmproj-model-f16.gguf": mmproj, "README.md": "" });
    expect((await test.pull("gemma-3-4b-it")).files.map(({ path, part }) => [path, part])).toEqual([
      ["gemma-3-4b-it-Q4_K_M.gguf", "decoder"],
      ["mmproj-model-f16.gguf", "vision"],
    ]);
    expect((await test.pull("google/gemma-3-4b-it:q8_0")).files.map(({ path }) => path)).toEqual(["gemma-3-4b-it-Q8_0.gguf", "mmproj-model-f16.gguf"]);
  });

  it("of a manifest whose file was renamed upstream says what to do", async () => {
    test.hub.commit("ggml-org/gemma-3-4b-it-GGUF", { "gemma-3-4b-it.q4_k_m.gguf": decoder, "mmproj-model-f16.gguf": mmproj });
    await expect(test.pull("gemma-3-4b-it")).rejects.toThrow("ggml-org/gemma-3-4b-it-GGUF has no file gemma-3-4b-it-Q4_K_M.gguf; it may have been renamed");
  });
});

describe("the cache", () => {
  const folder = (): string => path.join(test.cache, "models--someone--model-GGUF");
  const file = (): string => path.join(folder(), "blobs", sha256(decoder));

  it("is repaired where a file was cut by hand", async () => {
    upload();
    await test.pull(name);
    await writeFile(file(), decoder.subarray(0, 5000));
    const pulled = await test.pull(name);
    expect(test.events.find(({ type }) => type === "repair")).toMatchObject({ path: "model-Q4_K_M.gguf", reason: "it has 5000 bytes instead of 100000" });
    expect(await bytesOf(pulled, "model-Q4_K_M.gguf")).toEqual(decoder);
  });

  it("is repaired where bytes were changed by hand, the size being the same", async () => {
    upload();
    await test.pull(name);
    await writeFile(file(), randomBytes(decoder.length));
    const pulled = await test.pull(name);
    expect(test.events.find(({ type }) => type === "repair")).toMatchObject({ reason: "its bytes are not those that its hash names" });
    expect(await bytesOf(pulled, "model-Q4_K_M.gguf")).toEqual(decoder);
  });

  it("is completed where half of it was deleted: blobs, links, refs, the record", async () => {
    const commit = upload();
    const whole = async (): Promise<void> => expect(await bytesOf(await test.pull(name), "model-Q4_K_M.gguf")).toEqual(decoder);
    await whole();
    const everything = await test.tree(name);
    for (const part of [["blobs"], ["snapshots"], ["refs"], ["blobs", sha256(decoder)], ["snapshots", commit, "model-Q4_K_M.gguf"], ["sightline.json"], ["blobs", sha256(mmproj)]]) {
      await rm(path.join(folder(), ...part), { recursive: true });
      await whole();
      expect(await test.tree(name), part.join("/")).toEqual(everything);
    }
  });

  it("needs no second download of what only lost its links", async () => {
    upload();
    await test.pull(name);
    await rm(path.join(folder(), "snapshots"), { recursive: true });
    await rm(path.join(folder(), "sightline.json"));
    expect((await test.pull(name)).downloadedBytes).toBe(0);
    // Nobody vouches for the bytes any more, so they are compared with their hashes.
    expect(test.events.filter(({ type }) => type === "check")).toHaveLength(2);
  });

  it("takes what Python's tools left, and compares it with its hash", async () => {
    const commit = upload();
    const at = path.join(folder(), "snapshots", commit);
    for (const part of [at, path.join(folder(), "blobs"), path.join(folder(), "refs")]) await mkdir(part, { recursive: true });
    await writeFile(path.join(folder(), "refs", "main"), commit);
    await writeFile(path.join(folder(), "blobs", blobName(decoder)), decoder);
    await symlink(`../../blobs/${blobName(decoder)}`, path.join(at, "model-Q4_K_M.gguf"));
    expect((await test.pull(name)).files.map(({ downloaded }) => downloaded)).toEqual([false, true]);
  });

  it("goes on with an .incomplete file of an older Python tool that was left long ago, and leaves a fresh one alone", async () => {
    upload();
    await mkdir(path.join(folder(), "blobs"), { recursive: true });
    await writeFile(`${file()}.incomplete`, decoder.subarray(0, 60_000));
    await test.pull(`${name}:README.md`);
    await utimes(`${file()}.incomplete`, new Date(0), new Date(0));
    test.hub.seen.length = 0;
    const pulled = await test.pull(name);
    expect(await bytesOf(pulled, "model-Q4_K_M.gguf")).toEqual(decoder);
    expect(existsSync(`${file()}.incomplete`)).toBe(false);
    expect(test.hub.transfers().filter(({ path }) => path.includes("Q4_K_M")).map(({ range }) => range)).toContain("bytes=60000-65535");
    expect(test.hub.transfers().filter(({ path }) => path.includes("Q4_K_M"))).toHaveLength(6);

    await rm(file());
    await writeFile(`${file()}.incomplete`, "someone is writing this");
    await test.pull(name);
    expect(await readFile(`${file()}.incomplete`, "utf8")).toBe("someone is writing this");
  });

  it("that holds something else where a folder belongs is one clear line", async () => {
    upload();
    await mkdir(folder(), { recursive: true });
    await writeFile(path.join(folder(), "blobs"), "no folder");
    await expect(test.pull(name)).rejects.toThrow(new RegExp(`^${folder()}/blobs is not what a Hugging Face cache has there \\(\\w+\\); remove it and run the command again$`));
    await rm(folder(), { recursive: true });
    await writeFile(folder(), "no folder");
    await expect(test.pull(name)).rejects.toThrow(`${folder()} is not what a Hugging Face cache has there`);
    await rm(folder());
    await mkdir(path.join(folder(), "refs", "main"), { recursive: true });
    await expect(test.pull(name)).rejects.toThrow(`${folder()}/refs/main is not what a Hugging Face cache has there`);
    await rm(folder(), { recursive: true });
    expect((await test.pull(name)).downloadedBytes).toBe(130_000);
    await expect(test.pull(name, { cacheDirectory: path.join(folder(), "sightline.json") })).rejects.toThrow(`${folder()}/sightline.json is not what a Hugging Face cache has there`);
  });

  it("may be moved: links are relative", async () => {
    const commit = upload();
    await test.pull(name);
    const moved = `${folder()}-moved`;
    await rename(folder(), moved);
    expect(await readFile(path.join(moved, "snapshots", commit, "model-Q4_K_M.gguf"))).toEqual(decoder);
  });

  it("without room for the model is refused before the first byte", async () => {
    upload();
    test.hub.misbehave = ({ path }, response) => {
      if (!path.includes("/tree/")) return false;
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify([{ type: "file", path: "model.gguf", size: 1e17, oid: "a".repeat(40), lfs: { oid: "b".repeat(64), size: 9e15, pointerSize: 1 } }]));
      return true;
    };
    await expect(test.pull(name)).rejects.toThrow(/^someone\/model-GGUF needs 9\.00 PB more, and .* has .* free; make room there, or pull elsewhere with --cache-dir or HF_HOME$/);
    expect(test.hub.transfers()).toEqual([]);
    expect(await test.tree(name)).toEqual([]);
  });
});

describe("offline", () => {
  it("gives what the cache has and asks nobody", async () => {
    upload();
    const before = await test.pull(name);
    test.hub.seen.length = 0;
    for (const more of [{ offline: true }, { environment: { HF_HUB_OFFLINE: "1" } }]) {
      const pulled = await test.pull(name, more);
      expect(pulled.files.map(({ file, sha256 }) => [file, sha256])).toEqual(before.files.map(({ file, sha256 }) => [file, sha256]));
    }
    expect(test.hub.seen).toEqual([]);
  });

  it("says what is missing or damaged", async () => {
    upload();
    await expect(test.pull(name, { offline: true })).rejects.toThrow(/^offline, and .* has no someone\/model-GGUF@main; pull it once with a network: sightline pull someone\/model-GGUF$/);
    const { files } = await test.pull(name);
    await expect(test.pull(`${name}:Q8_0`, { offline: true })).rejects.toThrow("lacks a file: someone/model-GGUF has no Q8_0");
    await writeFile(files[0]?.file as string, randomBytes(decoder.length));
    await expect(test.pull(name, { offline: true })).rejects.toThrow("is damaged: its bytes are not those that its hash names; pull it again with a network");
    await rm(path.join(test.cache, "models--someone--model-GGUF", "blobs", sha256(mmproj)));
    await writeFile(files[0]?.file as string, decoder);
    await expect(test.pull(name, { offline: true })).rejects.toThrow("lacks mmproj-model-f16.gguf of someone/model-GGUF, which was there once");
  });
});
