import { spawnSync } from "node:child_process";
import { copyFile, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { embedImages, loadSiglip } from "sightline";
import { pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { collectRun } from "../src/collect-run.js";
import { partFile } from "../src/run-folder.js";
import { runStatus } from "../src/run-status.js";
import { submitRun } from "../src/submit-run.js";
import { workOnRun } from "../src/work-on-run.js";
import { bulk, examples, readLines, readParquet, startBulk, temporaryFolder } from "./command.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const embedding = { task: "embed", normalize: true, batch: 8, precision: "float32" } as const;

let folder: string;
let photos: string;
let names: string[];
beforeAll(async () => {
  folder = await temporaryFolder();
  photos = path.join(folder, "photos");
  await mkdir(photos);
  names = (await readdir(examples)).filter((name) => name.endsWith(".png")).sort();
  for (const name of names) await copyFile(path.join(examples, name), path.join(photos, name));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Row {
  readonly key: string;
  readonly path: string;
  readonly embedding: number[];
  readonly caption: string;
}

async function submitted(name: string, inputs: readonly string[], shardSize: number): Promise<string> {
  const run = path.join(folder, name);
  await submitRun({ run, inputs, model: "mini", settings: embedding, shardSize });
  return run;
}

describe("sightline bulk on a folder", () => {
  it("embeds as embed does, and says what made the file", async () => {
    const run = path.join(folder, "whole");
    const submit = await bulk("submit", photos, "--run", run, "--task", "embed", "--shard-size", "4", "--json");
    expect(submit).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(submit.stdout)).toEqual({ run, id: expect.stringMatching(/^[0-9a-f]{16}$/) as string, task: "embed", model: "mini", images: 10, duplicates: 0, shards: 3, shardSize: 4, isNew: true, missing: 3 });
    const early = await bulk("collect", "--run", run, "--out", path.join(folder, "early.parquet"));
    expect(early).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^sightline: bulk collect: 3 of 3 shards have no part yet \(0, 1, 2\); finish them with: sightline bulk work[^\n]*\n$/) as string });
    expect(await bulk("work", "--run", run)).toMatchObject({ code: 0, stdout: `${run}: done; this worker did 3 shards, 10 images\n` });
    const status = await bulk("status", "--run", run, "--json");
    expect(JSON.parse(status.stdout)).toMatchObject({ task: "embed", complete: true, shards: { total: 3, done: 3, working: 0 }, images: { total: 10, done: 10, failed: 0 }, workers: [], secondsLeft: 0 });
    const out = path.join(folder, "whole.parquet");
    expect(await bulk("collect", "--run", run, "--out", out)).toMatchObject({ code: 0, stdout: `${out}: 10 images\n` });
    const { rows, about } = await readParquet<Row>(out);
    expect(about).toMatchObject({ model: "mini", fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) as string, normalized: true, width: 256 });
    const files = names.map((name) => path.join(photos, name));
    expect(rows.map((row) => row.path)).toEqual(files);
    expect(rows[0]?.key).toBe(files[0]?.replace(".png", ""));
    await using siglip = await loadSiglip(path.join(root, "models/mini/siglip"));
    let i = 0;
    for await (const want of embedImages(siglip, files)) {
      if (!("embedding" in want)) throw want.error;
      const got = rows[i++]?.embedding as number[];
      expect(Math.max(...got.map((value, d) => Math.abs(value - (want.embedding[d] as number))))).toBeLessThan(1e-5);
    }
    expect(i).toBe(10);
    // Again, it is done already; collected again, it is in the way.
    expect(await bulk("work", "--run", run, "--json")).toMatchObject({ code: 0, stdout: expect.stringContaining('"shards":0,"images":0') as string });
    expect((await bulk("collect", "--run", run, "--out", out)).stderr).toMatch(/is there already; [^\n]*--overwrite/);
  });

  it("reads members of tar files, where shards begin and end within them, and lists what failed", async () => {
    const archive = pack();
    for (const [i, name] of names.entries()) {
      archive.entry({ name: `${i}.png` }, await readFile(path.join(photos, name)));
      archive.entry({ name: `${i}.txt` }, "a picture");
    }
    archive.entry({ name: "torn.png" }, "no picture");
    archive.finalize();
    const tar = path.join(folder, "shard.tar");
    await writeFile(tar, await buffer(archive));
    const cut = path.join(folder, "cut.tar");
    await writeFile(cut, (await readFile(tar)).subarray(0, 3000));
    const run = await submitted("tars", [tar, path.join(photos, "scene.png"), cut, tar], 4);
    const record = await workOnRun({ run });
    expect(record).toMatchObject({ shards: 4, images: 13, failed: 2 });
    const out = path.join(folder, "tars.parquet");
    expect(await collectRun({ run, out })).toMatchObject({ images: 13, rows: 11, failed: 2 });
    const { rows } = await readParquet<Row>(out);
    expect(rows.map((row) => row.path)).toEqual([...names.map((_, i) => `${tar}/${i}.png`), path.join(photos, "scene.png")]);
    expect(rows.map((row) => row.key).slice(0, 2)).toEqual(["0", "1"]);
    const scene = names.indexOf("scene.png");
    expect(Math.max(...(rows[10]?.embedding ?? [9]).map((value, d) => Math.abs(value - (rows[scene]?.embedding[d] as number))))).toBeLessThan(1e-5);
    const errors = await readLines<{ path: string; error: string }>(`${out}.errors.jsonl`);
    expect(errors.map((line) => line.path)).toEqual([`${tar}/torn.png`, cut]);
    expect(errors[1]?.error).toMatch(/damaged, or ends too early/);
    const status = await runStatus(run);
    expect(status.images.failed).toBe(2);
    expect(status.failures.map((one) => one.path)).toEqual(errors.map((line) => line.path));
  });

  it("two workers share it, one is killed, and every image is there once", { timeout: 200_000 }, async () => {
    const many = path.join(folder, "many");
    await mkdir(many);
    for (let i = 0; i < 240; i++) await copyFile(path.join(photos, names[i % names.length] as string), path.join(many, `${String(i).padStart(3, "0")}.png`));
    const run = await submitted("shared", [many], 6);
    const work = (): ReturnType<typeof startBulk> => startBulk(["work", "--run", run, "--threads", "1", "--stale-seconds", "2", "--json"]);
    const [left, right] = [work(), work()];
    while ((await runStatus(run)).shards.done < 3) await setTimeout(50);
    left.child.kill("SIGKILL");
    const third = work();
    const ended = await Promise.all([right.ended, third.ended]);
    expect(ended.map(({ code }) => code)).toEqual([0, 0]);
    const out = path.join(folder, "shared.parquet");
    expect(await collectRun({ run, out })).toMatchObject({ images: 240, rows: 240, failed: 0 });
    expect((await readParquet<Row>(out)).rows.map((row) => path.basename(row.path))).toEqual(Array.from({ length: 240 }, (_, i) => `${String(i).padStart(3, "0")}.png`));
    for (const left of ["locks", "attempts", "workers"]) expect((await readdir(path.join(run, left))).filter((name) => !name.includes("-"))).toEqual([]);
  });

  it("by Ctrl-C leaves with 130 and no lock, and goes on", { timeout: 200_000 }, async () => {
    const many = path.join(folder, "stop");
    await mkdir(many);
    for (let i = 0; i < 400; i++) await copyFile(path.join(photos, names[i % names.length] as string), path.join(many, `${String(i).padStart(3, "0")}.png`));
    const run = await submitted("stopped", [many], 400);
    const { child, ended } = startBulk(["work", "--run", run, "--threads", "1"]);
    while (!(await runStatus(run)).workers.some(({ shardImages }) => shardImages > 0)) await setTimeout(50);
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 130, stdout: "", stderr: expect.stringMatching(/sightline: stopped; the shard under way was given back, and the same command goes on\n$/) as string });
    expect([await readdir(path.join(run, "locks")), await readdir(path.join(run, "workers"))]).toEqual([[], []]);
    expect((await runStatus(run)).shards.done).toBe(0);
  });

  it("pods of an Indexed Job do their shards and no others", { timeout: 200_000 }, async () => {
    const run = await submitted("indexed", [photos], 2);
    const pod = (index: number): Promise<{ code: number | null; stdout: string; stderr: string }> =>
      startBulk(["work", "--run", run, "--threads", "1"], { JOB_COMPLETION_INDEX: String(index), JOB_COMPLETION_COUNT: "2" }).ended;
    expect(await pod(1)).toMatchObject({ code: 0, stdout: `${run}: 2 shards of this job done; this worker did 2 shards, 4 images\n` });
    expect((await readdir(path.join(run, "parts"))).sort()).toEqual(["000001.part", "000003.part"]);
    expect((await pod(0)).code).toBe(0);
    expect((await runStatus(run)).complete).toBe(true);
    expect(await pod(2)).toMatchObject({ code: 1, stderr: expect.stringMatching(/^sightline: bulk work: JOB_COMPLETION_INDEX is 2, and must be below[^\n]*\n$/) as string });
  });

  it("puts a part aside that was damaged, and does its shard again", async () => {
    const run = await submitted("damaged", [photos], 4);
    await workOnRun({ run });
    const file = partFile(run, 1);
    const bytes = await readFile(file);
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
    await writeFile(file, bytes);
    const out = path.join(folder, "damaged.parquet");
    await expect(collectRun({ run, out })).rejects.toMatchObject({ code: "journal-damaged", message: expect.stringMatching(/the part of shard 1 is damaged: its content is not what was written/) as string });
    expect((await readdir(folder)).filter((name) => name.startsWith("damaged."))).toEqual([]);
    expect(await workOnRun({ run })).toMatchObject({ shards: 1, images: 4 });
    expect(await collectRun({ run, out })).toMatchObject({ images: 10, rows: 10 });
  });

  it("captions, and collects to parquet and to COCO's results", { timeout: 200_000 }, async () => {
    const numbered = path.join(folder, "numbered");
    await mkdir(numbered);
    for (const [i, name] of names.slice(0, 4).entries()) await copyFile(path.join(photos, name), path.join(numbered, `COCO_val2014_${String(i + 100).padStart(12, "0")}.png`));
    await writeFile(path.join(numbered, "torn_7.png"), "no picture");
    const run = path.join(folder, "captions");
    await submitRun({ run, inputs: [numbered], model: "mini", settings: { task: "caption", prompt: "What do you see?", maxTokens: 24, precision: "float32" }, shardSize: 2 });
    expect(await workOnRun({ run })).toMatchObject({ shards: 3, images: 5, failed: 1 });
    const [parquet, json] = [path.join(folder, "captions.parquet"), path.join(folder, "captions.json")];
    expect(await collectRun({ run, out: parquet })).toEqual({ out: parquet, images: 5, rows: 4, failed: 1, errorsFile: `${parquet}.errors.jsonl` });
    const { rows, about } = await readParquet<Row>(parquet);
    expect(about).toMatchObject({ model: "mini", prompt: "What do you see?" });
    expect(rows.map((row) => path.basename(row.path))).toEqual([100, 101, 102, 103].map((id) => `COCO_val2014_000000000${id}.png`));
    // The first example is called airplane-and-eggplants.
    expect(rows[0]?.caption).toMatch(/airplane|eggplant/);
    await collectRun({ run, out: json, format: "coco" });
    expect(JSON.parse(await readFile(json, "utf8"))).toEqual(rows.map(({ caption }, i) => ({ image_id: 100 + i, caption })));
  });

  it("goes on with a run that is there, and refuses other work in its folder", async () => {
    const run = path.join(folder, "again");
    const options = { run, inputs: [photos], model: "mini", settings: embedding, shardSize: 4 };
    const first = await submitRun(options);
    const second = await submitRun(options);
    expect([first.isNew, second.isNew, second.manifest.id]).toEqual([true, false, first.manifest.id]);
    await expect(submitRun({ ...options, shardSize: 5 })).rejects.toMatchObject({ code: "resume-refused", message: expect.stringContaining("shardSize was 4, and is 5 now") as string });
    await expect(submitRun({ ...options, inputs: [folder] })).rejects.toThrow(/inputs was/);
    await expect(submitRun({ ...options, settings: { ...embedding, normalize: false } })).rejects.toThrow("normalize was true, and is false now");
    expect(await bulk("submit", "--run", run)).toMatchObject({ code: 0, stdout: `${run}: 10 images in 3 shards of up to 4 (0 shards done)\n` });
    await expect(workOnRun({ run, model: path.join(folder, "photos") })).rejects.toMatchObject({ code: "model-mismatch" });
  });

  it.each([
    [["submit", "x", "--run", "r"], 2, /say what is done with the images/],
    [["submit", "x", "--run", "r", "--task", "embed", "--shard-size", "10001"], 2, /from 1 to 10000/],
    [["collect", "--run", "r", "--out", "f.csv"], 2, /expected F\.parquet/],
    [["work", "--run", "nowhere"], 1, /^sightline: bulk: nowhere holds no run; [^\n]*\n$/],
  ] as const)("says in one line what is wrong: %j", async (args, code, message) => {
    const result = await bulk(...args);
    expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: "" });
    expect(result.stderr).toMatch(message);
    expect(result.stderr).not.toMatch(/\n\s+at /);
  });
});

describe("docs/bulk.md", async () => {
  const page = await readFile(path.join(root, "docs/bulk.md"), "utf8");
  const blocks = (language: string): string[] => [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map(([, block]) => block as string);

  it("has commands that run as they stand", { timeout: 200_000 }, async () => {
    const commands = (blocks("sh")[0] ?? "").trim().split("\n");
    expect(commands).toHaveLength(4);
    const work = path.join(folder, "docs");
    await mkdir(work);
    await symlink(path.join(root, "examples"), path.join(work, "examples"));
    for (const command of commands) {
      const { status, stderr } = spawnSync("sh", ["-c", command.replace("npx sightline", `${process.execPath} ${root}packages/sightline/bin/sightline.js`)], { cwd: work, encoding: "utf8" });
      expect([command, status, stderr]).toEqual([command, 0, ""]);
    }
    expect((await readParquet<Row>(path.join(work, "embeddings.parquet"))).rows).toHaveLength(10);
  });
});
