import { copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { loadSiglip } from "@sightline/vision-tower";
import { pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { finish, golden, miniFolder, run, start, temporaryFolder } from "./command.js";
import { readJsonLines, readNpy, readParquet, readParquetNote } from "./embed/read-embeddings.js";

const examples = fileURLToPath(new URL("../../../examples/", import.meta.url));

let folder: string;
let photos: string;
let pictures: string[];
beforeAll(async () => {
  folder = await temporaryFolder();
  photos = path.join(folder, "photos");
  await mkdir(path.join(photos, "more"), { recursive: true });
  const names = (await readdir(examples)).filter((name) => name.endsWith(".png")).sort();
  for (const name of names) await copyFile(path.join(examples, name), path.join(photos, name));
  await copyFile(golden("photo.jpg"), path.join(photos, "more", "photo.jpg"));
  await copyFile(golden("photo.jpg"), path.join(photos, "same-photo.jpg"));
  pictures = [...names, "more/photo.jpg", "same-photo.jpg"].sort().map((name) => path.join(photos, name));
});
afterAll(() => rm(folder, { recursive: true }));

let outputs = 0;
function freshOut(extension: "npy" | "parquet"): string {
  return path.join(folder, `out-${outputs++}.${extension}`);
}

/** What the library gives for those files. */
async function unitEmbeddings(files: readonly string[]): Promise<number[][]> {
  await using siglip = await loadSiglip(path.join(miniFolder, "siglip"));
  const { pooled, pooledWidth } = await siglip.encodeImages(files);
  return files.map((_, i) => {
    const row = [...pooled.subarray(i * pooledWidth, (i + 1) * pooledWidth)];
    return row.map((value) => value / Math.hypot(...row));
  });
}

function furthest(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number {
  expect(a.map((row) => row.length)).toEqual(b.map((row) => row.length));
  return Math.max(...a.flatMap((row, i) => row.map((value, d) => Math.abs(value - (b[i]?.[d] as number)))));
}

describe("sightline embed", () => {
  it("embeds a folder into a parquet file, one JSON object on stdout", async () => {
    const out = freshOut("parquet");
    const { code, stdout, stderr } = await run(["embed", photos, "--out", out, "--json"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^\{.*\}\n$/);
    expect(JSON.parse(stdout)).toEqual({
      images: 12, embedded: 12, skipped: 0, duplicates: 0, errors: [], imagesPerSecond: expect.any(Number) as number, out, width: 256,
    });
    const rows = await readParquet(out);
    expect(rows.map((row) => row.path)).toEqual(pictures);
    expect(rows.map((row) => row.key)).toEqual(pictures.map((file) => file.replace(/\.\w+$/, "")));
    expect(furthest(rows.map(({ embedding }) => [...embedding]), await unitEmbeddings(pictures))).toBeLessThan(1e-5);
    expect(await readParquetNote(out)).toEqual({ model: "mini", fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) as string, normalized: true, width: 256 });
    const embeddingOf = (name: string): unknown => rows.find((row) => row.path.endsWith(name))?.embedding;
    expect(embeddingOf("same-photo.jpg")).toEqual(embeddingOf("more/photo.jpg"));
  });

  it("writes the same rows as .npy, and says so in a line", async () => {
    const out = freshOut("npy");
    const { code, stdout, stderr } = await run(["embed", photos, "--out", out]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/\.npy: 12 images, width 256 \(\d+\.\d images a second\)\n$/);
    const rows = await readNpy(out);
    expect(rows.map((row) => row.path)).toEqual(pictures);
    expect(furthest(rows.map(({ embedding }) => [...embedding]), await unitEmbeddings(pictures))).toBeLessThan(1e-5);
  });

  it("gives embeddings as they are with --raw", async () => {
    const out = freshOut("npy");
    expect((await run(["embed", golden("photo.jpg"), "--out", out, "--raw"])).code).toBe(0);
    const length = Math.hypot(...((await readNpy(out))[0]?.embedding ?? []));
    expect(Math.abs(length - 1)).toBeGreaterThan(0.1);
  });

  it("embeds WebDataset shards, by their keys", async () => {
    const files = [golden("photo.jpg"), path.join(examples, "scene.png")];
    for (const shard of ["00", "01"]) {
      const archive = pack();
      for (const [i, file] of files.entries()) archive.entry({ name: `${shard}${i}${path.extname(file)}` }, await readFile(file));
      archive.entry({ name: `${shard}0.txt` }, "a photo");
      archive.finalize();
      await writeFile(path.join(folder, `shard-${shard}.tar`), await buffer(archive));
    }
    const out = freshOut("parquet");
    expect(await run(["embed", path.join(folder, "shard-{00..01}.tar"), "--out", out])).toMatchObject({ code: 0, stderr: "" });
    const rows = await readParquet(out);
    expect(rows.map(({ key }) => key)).toEqual(["000", "001", "010", "011"]);
    expect(rows[3]?.path).toBe(path.join(folder, "shard-01.tar/011.png"));
    const [photo, scene] = await unitEmbeddings(files);
    expect(furthest(rows.map(({ embedding }) => [...embedding]), [photo, scene, photo, scene] as number[][])).toBeLessThan(1e-5);
  });

  it("embeds texts, one a line", async () => {
    const file = path.join(folder, "captions.txt");
    await writeFile(file, "a hamburger\n\n🍔 برجر\n");
    const out = freshOut("parquet");
    expect(await run(["embed", file, "--text", "--out", out])).toMatchObject({ code: 0, stderr: "" });
    const rows = await readParquet(out);
    expect(rows.map(({ path: from, text }) => [from, text])).toEqual([[`${file}:1`, "a hamburger"], [`${file}:3`, "🍔 برجر"]]);
    await using siglip = await loadSiglip(path.join(miniFolder, "siglip"));
    const [expected] = [[...(await siglip.encodeTexts(["a hamburger"]))]];
    expect(furthest([[...(rows[0]?.embedding ?? [])]], [expected.map((value) => value / Math.hypot(...expected))])).toBeLessThan(1e-5);
  });

  it("reads a list of paths from stdin, and texts likewise", async () => {
    const [images, texts] = [freshOut("npy"), freshOut("npy")];
    expect((await run(["embed", "-", "--out", images], `${golden("photo.jpg")}\n${golden("photo-crop.png")}\n`)).code).toBe(0);
    expect((await readNpy(images)).map((row) => row.path)).toEqual([golden("photo.jpg"), golden("photo-crop.png")]);
    expect((await run(["embed", "-", "--text", "--out", texts], "a cat\na dog")).code).toBe(0);
    expect((await readNpy(texts)).map((row) => row.text)).toEqual(["a cat", "a dog"]);
  });
});

describe("sightline embed and images that cannot be read", () => {
  let mixed: string;
  beforeAll(async () => {
    mixed = path.join(folder, "mixed");
    await mkdir(mixed);
    const photo = await readFile(golden("photo.jpg"));
    await writeFile(path.join(mixed, "a-text.jpg"), "this is no image\n".repeat(50));
    await writeFile(path.join(mixed, "b-empty.png"), "");
    await writeFile(path.join(mixed, "c.jpg"), photo);
    await writeFile(path.join(mixed, "d-short.jpg"), photo.subarray(0, 40));
    await copyFile(path.join(examples, "scene.png"), path.join(mixed, "e.png"));
  });

  it("passes them over, counts them and lists them beside the output", async () => {
    const out = freshOut("npy");
    const { code, stdout, stderr } = await run(["embed", mixed, "--out", out, "--json"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const broken = ["a-text.jpg", "b-empty.png", "d-short.jpg"].map((name) => path.join(mixed, name));
    expect(JSON.parse(stdout)).toMatchObject({ images: 5, embedded: 2, skipped: 3, errorsFile: `${out}.errors.jsonl`, errors: broken.map((file) => ({ path: file })) });
    expect(await readJsonLines(`${out}.errors.jsonl`)).toEqual(broken.map((file) => ({ key: file.replace(/\.\w+$/, ""), path: file, error: expect.stringContaining(path.basename(file)) as string })));
    expect((await readNpy(out)).map((row) => path.basename(row.path))).toEqual(["c.jpg", "e.png"]);
  });

  it("fails in one line at the first with --strict, and writes no output", async () => {
    const out = freshOut("npy");
    const { code, stdout, stderr } = await run(["embed", mixed, "--out", out, "--strict", "--json"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^sightline: [^\n]*a-text\.jpg[^\n]*\n$/);
    await expect(stat(out)).rejects.toThrow("ENOENT");
  });

  it("fails when none of them could be read", async () => {
    const out = freshOut("npy");
    const { code, stderr } = await run(["embed", path.join(mixed, "a-text.jpg"), "--out", out]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^sightline: embed: none of the 1 images could be read; [^\n]*\.errors\.jsonl says why\n$/);
  });

  it("says in one line that an input is not there, or a folder holds none", async () => {
    await mkdir(path.join(folder, "empty"));
    for (const [input, message] of [["empty", /the folder holds no image/], ["nowhere", /no such file or folder/], ["*.gif", /the pattern matches no file/]] as const) {
      const { code, stdout, stderr } = await run(["embed", path.join(folder, input), "--out", freshOut("npy")]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toMatch(new RegExp(`^sightline: [^\\n]*${message.source}[^\\n]*\\n$`));
    }
  });
});

describe("sightline embed, stopped", () => {
  let many: string;
  beforeAll(async () => {
    many = path.join(folder, "many");
    await mkdir(many);
    for (let i = 0; i < 120; i++) await copyFile(pictures[i % pictures.length] as string, path.join(many, `${String(i).padStart(3, "0")}${path.extname(pictures[i % pictures.length] as string)}`));
    await writeFile(path.join(many, "033-broken.jpg"), "no image");
  });

  /** Starts a run, and ends it by a signal once it has written down that many batches more than before. */
  async function stoppedAfter(batches: number, signal: "SIGKILL" | "SIGINT", out: string, ...more: string[]): Promise<Awaited<ReturnType<typeof finish>>> {
    const records = `${out}.partial/batches.jsonl`;
    const count = async (): Promise<number> => (await readFile(records, "utf8").catch(() => "")).split("\n").length - 1;
    const before = await count();
    const child = start("embed", many, "--out", out, "--batch", "4", ...more);
    child.stdin.end();
    const ended = finish(child);
    while (child.exitCode === null && (await count()) < before + batches) await setTimeout(2);
    child.kill(signal);
    return ended;
  }

  it.skipIf(process.platform === "win32").each(["npy", "parquet"] as const)("by kill -9 again and again, gives byte for byte the same %s when resumed", async (extension) => {
    const [whole, out] = [freshOut(extension), freshOut(extension)];
    expect((await run(["embed", many, "--out", whole, "--batch", "4"])).code).toBe(0);
    expect(await stoppedAfter(3, "SIGKILL", out)).toMatchObject({ code: null });
    await expect(stat(out)).rejects.toThrow("ENOENT");
    const again = await run(["embed", many, "--out", out, "--batch", "4"]);
    expect(again).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^sightline: [^\n]*resume it \(--resume\)[^\n]*\n$/) as string });
    for (const batches of [1, 5]) expect(await stoppedAfter(batches, "SIGKILL", out, "--resume")).toMatchObject({ code: null });
    const { code, stdout } = await run(["embed", many, "--out", out, "--batch", "4", "--resume", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ images: 121, embedded: 120, skipped: 1, duplicates: 0 });
    for (const end of ["", ".errors.jsonl", ...(extension === "npy" ? [".keys.jsonl"] : [])]) {
      expect((await readFile(out + end)).equals(await readFile(whole + end)), end).toBe(true);
    }
    await expect(stat(`${out}.partial`)).rejects.toThrow("ENOENT");
  });

  it.skipIf(process.platform === "win32")("by Ctrl-C, leaves with 130, says how to go on, and goes on", async () => {
    const out = freshOut("npy");
    const { code, stdout, stderr } = await stoppedAfter(2, "SIGINT", out);
    expect({ code, stdout }).toEqual({ code: 130, stdout: "" });
    expect(stderr).toMatch(/^sightline: stopped; [^\n]*--resume[^\n]*\n$/);
    expect((await run(["embed", many, "--out", out, "--batch", "4", "--resume"])).code).toBe(0);
    expect(await readNpy(out)).toHaveLength(120);
  });

  it.skipIf(process.platform === "win32")("by Ctrl-C while it waits for stdin, leaves too", async () => {
    const child = start("embed", "-", "--text", "--out", freshOut("npy"));
    const ended = finish(child);
    child.stdin.write("a cat\n");
    await setTimeout(1500);
    child.kill("SIGINT");
    const closed = await Promise.race([ended, setTimeout(8000).then(() => "still there")]);
    child.kill("SIGKILL");
    expect(closed).toMatchObject({ code: 130 });
  });

  it.skipIf(process.platform === "win32")("refuses to go on with other options", async () => {
    const out = freshOut("npy");
    await stoppedAfter(2, "SIGKILL", out);
    for (const [more, message] of [[["--raw"], /normalize was true, and is false now/], [["--batch", "5"], /batch was 4, and is 5 now/]] as const) {
      const { code, stderr } = await run(["embed", many, "--out", out, "--batch", "4", "--resume", ...more]);
      expect(code).toBe(1);
      expect(stderr).toMatch(new RegExp(`^sightline: [^\\n]*cannot be resumed: ${message.source}[^\\n]*\\n$`));
    }
    expect((await run(["embed", photos, "--out", out, "--batch", "4", "--resume"])).stderr).toMatch(/inputs was "[^"]*many", and is "[^"]*photos" now/);
  });
});

describe("sightline embed, wrongly used", () => {
  it.each([
    [["embed", golden("photo.jpg")]],
    [["embed", "--out", "a.npy"]],
    [["embed", golden("photo.jpg"), "--out", "a.csv"]],
    [["embed", golden("photo.jpg"), "--out", "a.npy", "--batch", "0"]],
    [["embed", golden("photo.jpg"), "--out", "a.npy", "--raw", "--normalize"]],
  ])("leaves with 2: %j", async (args) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});
