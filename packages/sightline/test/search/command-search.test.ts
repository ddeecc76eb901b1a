import { spawnSync } from "node:child_process";
import { copyFile, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { miniFolder, run, temporaryFolder } from "../command.js";
import { writeNpyFile } from "./write-embeddings.js";

const examples = fileURLToPath(new URL("../../../../examples/", import.meta.url));

let folder: string;
let parquet: string;
let npy: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  const photos = path.join(folder, "photos");
  await mkdir(photos);
  for (const name of await readdir(examples)) if (name.endsWith(".png")) await copyFile(path.join(examples, name), path.join(photos, name));
  // A path that is markup, and a picture within a tar file.
  await copyFile(path.join(examples, "crabs.png"), path.join(photos, "<b>crabs & co.png"));
  const archive = pack();
  archive.entry({ name: "in/duck.png" }, await readFile(path.join(examples, "duck-eggplant-package.png")));
  archive.finalize();
  await writeFile(path.join(folder, "shard.tar"), await buffer(archive));
  [parquet, npy] = [path.join(folder, "all.parquet"), path.join(folder, "all.npy")];
  for (const out of [parquet, npy]) {
    const { code, stderr } = await run(["embed", photos, path.join(folder, "shard.tar"), "--out", out]);
    if (code !== 0) throw new Error(stderr);
  }
});
afterAll(() => rm(folder, { recursive: true }));

interface Found {
  readonly results: readonly { readonly row: number; readonly score: number; readonly key: string; readonly path: string }[];
  readonly timings: { readonly loadMs: number; readonly queryMs: number };
}

async function found(...args: string[]): Promise<Found> {
  const { code, stdout, stderr } = await run(["search", ...args, "--json"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout) as Found;
}

describe("sightline search", () => {
  it("finds the picture that a text is about, with the model that the index names", async () => {
    const { results, timings, ...rest } = await found("a penguin", "--index", parquet, "--top", "2");
    expect(results.map((hit) => path.basename(hit.path))).toEqual(["penguins.png", "held-out-droplet-and-penguin.png"]);
    expect(results[0]?.score).toBeGreaterThan(results[1]?.score ?? 1);
    expect(rest).toMatchObject({ index: parquet, query: { text: "a penguin" }, model: "mini", size: 12, width: 256, unusable: 0 });
    expect(Math.min(timings.loadMs, timings.queryMs)).toBeGreaterThan(0);
  });

  it("finds the same in a NumPy file, and more than there are gives all", async () => {
    const [a, b] = [await found("two crabs", "--index", parquet, "--top", "99"), await found("two crabs", "--index", npy, "--top", "99")];
    expect(a.results).toHaveLength(12);
    expect(b.results).toEqual(a.results);
  });

  it("finds an image by itself, in the order of the file where two are the same", async () => {
    const { results } = await found("--image", path.join(examples, "crabs.png"), "--index", parquet, "--top", "3");
    expect(results.slice(0, 2).map((hit) => path.basename(hit.path))).toEqual(["<b>crabs & co.png", "crabs.png"]);
    expect(results[0]?.score).toBe(results[1]?.score);
    expect(results[1]?.score).toBeCloseTo(1, 5);
    expect(results[2]?.score).toBeLessThan(0.9);
  });

  it("prints a line for each otherwise", async () => {
    const { code, stdout } = await run(["search", "a sunflower", "--index", parquet, "--top", "2"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ 0\.\d{4} {2}.*sunflower-and-deer\.png\n +-?\d\.\d{4} {2}.*\n$/);
  });

  it("writes a page that holds the pictures, and names what is not there any more", async () => {
    const html = path.join(folder, "new", "sheet.html");
    const gone = path.join(folder, "photos", "scene.png");
    const bytes = await readFile(gone);
    await rm(gone);
    const { code, stderr } = await run(["search", "ducks & <eggplants>", "--index", parquet, "--html", html, "--top", "12"]);
    await writeFile(gone, bytes);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const page = await readFile(html, "utf8");
    expect(page).toContain("<h1>ducks &#38; &#60;eggplants&#62;</h1>");
    expect(page).toContain("&#60;b&#62;crabs &#38; co.png");
    expect(page).not.toContain("<b>crabs");
    expect(page).toMatch(/<p class="missing">decodeImage: [^<]*scene\.png/);
    expect(page).not.toMatch(/(?:src|href)="(?!data:)/);
    const pictures = [...page.matchAll(/src="data:image\/jpeg;base64,([^"]+)"/g)].map(([, base64]) => Buffer.from(base64 as string, "base64"));
    expect(pictures).toHaveLength(11);
    for (const picture of pictures) expect(Math.max((await sharp(picture).metadata()).width, (await sharp(picture).metadata()).height)).toBeLessThanOrEqual(400);
    expect(await readdir(path.dirname(html))).toEqual(["sheet.html"]);
  });

  it("refuses an index that another model made, and one of another width", async () => {
    const other = path.join(folder, "other-model");
    await mkdir(other);
    for (const name of await readdir(path.join(miniFolder, "siglip"))) await copyFile(path.join(miniFolder, "siglip", name), path.join(other, name));
    const config = path.join(other, "config.json");
    await writeFile(config, `${await readFile(config, "utf8")} `);
    for (const index of [parquet, npy]) {
      const { code, stdout, stderr } = await run(["search", "a cat", "--index", index, "--model", other]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toMatch(/^sightline: search: \S+ was made by mini \([0-9a-f]{12}\), and \S+other-model is not that model; give it with --model, or embed again\n$/);
    }
    const narrow = path.join(folder, "narrow.npy");
    await writeNpyFile(narrow, [[1, 2, 3]]);
    const { code, stderr } = await run(["search", "a cat", "--index", narrow]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/does not say which model made it; taken for mini's\nsightline: search: \S+narrow\.npy has embeddings of width 3, and mini makes them 256 wide;[^\n]*\n$/);
  });

  it("searches what another program wrote, by row numbers", async () => {
    const file = path.join(folder, "plain.npy");
    await writeNpyFile(file, Array.from({ length: 4 }, (_, i) => Array.from({ length: 256 }, (_, d) => (d === i ? 1 : 0))));
    const { code, stdout, stderr } = await run(["search", "a cat", "--index", file, "--top", "1"]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/does not say which model/);
    expect(stdout).toMatch(/^ +-?0\.\d{4} {2}#\d\n$/);
  });

  it.each([
    [["search", "a cat"]],
    [["search", "a cat", "--image", "a.png", "--index", "x.npy"]],
    [["search", "a cat", "--index", "x.npy", "--top", "0"]],
  ])("leaves with 2 when it is wrongly used: %j", async (args) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it("says in one line that there is no index or no picture", async () => {
    expect(await run(["search", "a cat", "--index", path.join(folder, "none.npy")])).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^sightline: openIndex: \S+none\.npy: no such file;[^\n]*\n$/) as string });
    expect(await run(["search", "--image", "none.png", "--index", parquet])).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^sightline: [^\n]*none\.png[^\n]*\n$/) as string });
  });
});

describe("docs/search.md", async () => {
  const page = await readFile(new URL("../../../../docs/search.md", import.meta.url), "utf8");
  const root = fileURLToPath(new URL("../../../../", import.meta.url));

  it("has commands and a program that run as they stand", async () => {
    const commands = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) => (block as string).trim().split("\n"));
    expect(commands).toHaveLength(3);
    const work = path.join(folder, "docs");
    await mkdir(work);
    await symlink(path.join(root, "models"), path.join(work, "models"));
    // `npx sightline` is the command of this checkout.
    const here = (text: string): string => text.replaceAll("npx sightline", `${process.execPath} ${root}packages/sightline/bin/sightline.js`).replaceAll("examples/", `${root}examples/`);
    for (const command of commands) {
      const { status, stdout, stderr } = spawnSync("sh", ["-c", here(command)], { cwd: work, encoding: "utf8" });
      expect([command, status, stderr]).toEqual([command, 0, ""]);
      expect(stdout).not.toBe("");
    }
    const [, program = ""] = /```js\n([\s\S]*?)```/.exec(page) ?? [];
    const file = path.join(root, "test", ".search-snippet.mjs");
    await writeFile(file, program);
    try {
      const { stdout, stderr } = spawnSync(process.execPath, [file], { cwd: work, encoding: "utf8" });
      expect(stderr).toBe("");
      expect(stdout).toMatch(/^0\.\d{4} .*penguins\.png\n/);
    } finally {
      await rm(file);
    }
  });
});
