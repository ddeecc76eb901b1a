import { spawn } from "node:child_process";
import { mkdtemp, readFile, writeFile, appendFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { compareRuns, evaluate, type EvaluateOptions, type Results } from "@sightline/evals";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const sightline = fileURLToPath(new URL("../../packages/sightline/bin/sightline.js", import.meta.url));
let folder: string;
beforeAll(async () => (folder = await mkdtemp(path.join(os.tmpdir(), "sightline-evals-"))));
afterAll(() => rm(folder, { recursive: true, force: true }));

const inFolder = (name: string): string => path.join(folder, name);
const read = (run: string, name: string): Promise<string> => readFile(path.join(inFolder(run), name), "utf8");
const run = (name: string, options: Partial<EvaluateOptions> = {}): ReturnType<typeof evaluate> => evaluate(["emoji-scenes"], { model: "mini", limit: 24, ...options, out: inFolder(name) });

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command; `during` may end it. */
async function command(args: readonly string[], during?: (kill: (signal: NodeJS.Signals) => void) => Promise<void>): Promise<Ended> {
  const child = spawn(process.execPath, [sightline, "eval", ...args]);
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (text) => (stdout += text));
  child.stderr.on("data", (text) => (stderr += text));
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  await Promise.race([during?.((signal) => void child.kill(signal)), ended.then(() => undefined)]);
  return { code: await ended, stdout, stderr };
}

const lineCount = async (file: string): Promise<number> => (await readFile(file, "utf8").catch(() => "")).split("\n").length - 1;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function untilLines(file: string, count: number): Promise<void> {
  while ((await lineCount(file)) < count) await pause(5);
}

const withoutDate = (results: string): Results => ({ ...(JSON.parse(results) as Results), date: "" });

describe("a run of mini on emoji-scenes", () => {
  it("gives the same samples at any batch size", async () => {
    await run("one");
    await run("four", { batchSize: 4 });
    expect(await read("four", "samples_emoji-scenes.jsonl")).toBe(await read("one", "samples_emoji-scenes.jsonl"));
    const { results } = withoutDate(await read("one", "results.json"));
    expect(results["emoji-scenes"]?.["object-f1"]).toBeGreaterThan(0.3);
    expect(results["emoji-scenes"]?.["yes-no-accuracy"]).toBeGreaterThan(0.6);
  });

  it("killed with SIGKILL at ten random moments and resumed gives what an unbroken run gives", { timeout: 240_000 }, async () => {
    const file = path.join(inFolder("killed"), "samples_emoji-scenes.jsonl");
    const args = ["emoji-scenes", "--limit", "24", "--batch-size", "2", "--out", inFolder("killed"), "--resume"];
    for (let kill = 0; kill < 10; kill++) {
      const before = await lineCount(file);
      const moment = 1 + Math.floor(Math.random() * 2);
      await command(args, async (end) => {
        await untilLines(file, before + moment);
        await pause(Math.random() * 20);
        end("SIGKILL");
      });
      // Nothing that was finished is lost.
      expect(await lineCount(file)).toBeGreaterThanOrEqual(before + moment);
    }
    const last = await command(args);
    expect(last.stderr).not.toMatch(/sightline:/);
    expect(last.code).toBe(0);
    for (const name of ["samples_emoji-scenes.jsonl", "scores_emoji-scenes.jsonl"]) expect(await read("killed", name)).toBe(await read("one", name));
    expect(withoutDate(await read("killed", "results.json"))).toEqual(withoutDate(await read("one", "results.json")));
  });

  it("drops a last line that a kill cut short", async () => {
    await run("cut", { limit: 4 });
    const samples = await read("cut", "samples_emoji-scenes.jsonl");
    const file = path.join(inFolder("cut"), "samples_emoji-scenes.jsonl");
    await writeFile(file, samples.slice(0, samples.lastIndexOf("\n", samples.length - 2) + 9));
    await run("cut", { limit: 4, resume: true });
    expect(await read("cut", "samples_emoji-scenes.jsonl")).toBe(samples);
    await appendFile(file, "no sample\n");
    await expect(run("cut", { limit: 4, resume: true })).rejects.toMatchObject({ code: "journal-damaged", message: expect.stringContaining("line 5") as string });
  });

  it("scores all samples after a resume with more of them, not the new ones alone", async () => {
    await run("more", { limit: 10 });
    const { results, timings } = await run("more", { limit: 24, resume: true });
    expect(timings.computed).toBe(14);
    expect(results.results).toEqual(withoutDate(await read("one", "results.json")).results);
  });

  it("refuses to write over a run, and to go on with other settings", async () => {
    await expect(run("one")).rejects.toMatchObject({ code: "output-exists", message: expect.stringContaining("--resume") as string });
    await expect(run("one", { resume: true, baseline: "blind" })).rejects.toMatchObject({ code: "resume-refused", message: expect.stringContaining("another baseline") as string });
  });

  it("is at chance without the picture and with another's, and the comparison says so", async () => {
    const blind = await run("blind", { baseline: "blind" });
    const shuffled = await run("shuffled", { baseline: "shuffled" });
    for (const { results } of [blind, shuffled]) expect(results.results["emoji-scenes"]?.["object-f1"]).toBeLessThan(0.15);
    const [comparison] = await compareRuns(inFolder("shuffled"), inFolder("one"));
    expect(comparison).toMatchObject({ task: "emoji-scenes", samples: 24, differs: ["baseline"] });
    expect(comparison?.difference.low).toBeGreaterThan(0);
    expect(comparison?.p).toBeLessThan(0.05);
  });

  it("writes a report that holds its pictures, and a table", async () => {
    const html = await read("one", "report.html");
    expect(html.match(/<img alt="" src="data:image\/jpeg;base64,/g)?.length).toBe(24);
    expect(html).not.toMatch(/src="(?!data:)|href=/);
    expect(await read("one", "results.md")).toContain("| emoji-scenes | 24 | object-f1 |");
  });

  it("writes answers alone with predictOnly, which score like the run when they are read back", async () => {
    const { results } = await evaluate(["coco-mini"], { model: "mini", limit: 3, predictOnly: true, out: inFolder("answers") });
    expect(results.results).toEqual({ "coco-mini": {} });
    const answers = path.join(inFolder("answers"), "predictions_coco-mini.json");
    expect(JSON.parse(await readFile(answers, "utf8"))).toHaveLength(3);
    const scored = await evaluate(["coco-mini"], { limit: 3, predictions: answers, out: inFolder("scored") });
    const direct = await evaluate(["coco-mini"], { model: "mini", limit: 3, out: inFolder("direct") });
    expect(scored.results.results).toEqual(direct.results.results);
  });
});

describe("predictions of another program", () => {
  const score = async (name: string, entries: unknown): Promise<Results> => {
    await writeFile(inFolder(`${name}.json`), JSON.stringify(entries));
    return (await evaluate(["coco-mini"], { predictions: inFolder(`${name}.json`), out: inFolder(name), logSamples: true })).results;
  };

  it("are scored without a model, a missing one as empty", async () => {
    const captions = JSON.parse(await readFile(new URL("../data/coco-mini/captions.json", import.meta.url), "utf8")) as { readonly annotations: readonly { readonly image_id: number; readonly caption: string }[] };
    const first = new Map(captions.annotations.toReversed().map(({ image_id, caption }) => [image_id, caption]));
    const all = [...first].map(([image_id, caption]) => ({ image_id, caption }));
    const whole = await score("whole", all);
    expect(whole.results["coco-mini"]?.["bleu-4"]).toBeCloseTo(1, 6);
    const missing = await score("missing", all.slice(1));
    expect(missing["n-samples"]["coco-mini"]).toEqual({ original: 25, effective: 25 });
    expect(missing.results["coco-mini"]?.["rouge-l"]).toBeCloseTo(24 / 25, 6);
    expect(await read("missing", "scores_coco-mini.jsonl")).toMatch(/"references":\[.*"prediction":"","score":0/);
  });

  it("of a part get the CIDEr that they have in the whole with fixedDf", async () => {
    const part = async (name: string, fixedDf: boolean): Promise<string[]> => {
      await evaluate(["coco-mini"], { predictions: inFolder("whole.json"), out: inFolder(name), limit: 5, logSamples: true, fixedDf });
      return (await read(name, "scores_coco-mini.jsonl")).trim().split("\n");
    };
    const whole = (await read("whole", "scores_coco-mini.jsonl")).split("\n").slice(0, 5);
    expect(await part("fixed", true)).toEqual(whole);
    expect(await part("unfixed", false)).not.toEqual(whole);
  });

  it("are refused when none is of a sample", async () => {
    await expect(score("others", [{ image_id: 5, caption: "a" }])).rejects.toThrow(/none of the 1 predictions in others.json is of a sample; expected ids such as "397133", got "5"/);
  });

  it("are refused with an image twice, or of another shape", async () => {
    await expect(score("twice", [{ image_id: 1, caption: "a" }, { image_id: "1", caption: "b" }])).rejects.toMatchObject({ code: "duplicate-image" });
    await expect(score("shape", [{ image: 1 }])).rejects.toThrow(/entry 1: expected image_id/);
  });
});

describe("sightline eval", () => {
  it("says in one line what is missing and how to get it, and exits with 1", async () => {
    const { code, stderr } = await command(["docvqa", "--out", inFolder("none"), "--data", inFolder("nodata")]);
    expect(code).toBe(1);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(stderr).toContain("hf download lmms-lab/DocVQA");
    expect(stderr).toContain(path.join("nodata", "docvqa"));
  });

  it("exits with 2 without a task or --out", async () => {
    expect((await command([])).code).toBe(2);
    expect((await command(["emoji-scenes"])).code).toBe(2);
  });

  it("stops at Ctrl-C with 130 and says how to go on", async () => {
    const file = path.join(inFolder("interrupted"), "samples_emoji-scenes.jsonl");
    const { code, stderr } = await command(["emoji-scenes", "--out", inFolder("interrupted")], async (end) => {
      await untilLines(file, 2);
      end("SIGINT");
    });
    expect(code).toBe(130);
    expect(stderr).toContain("--resume");
    expect(await lineCount(file)).toBeGreaterThanOrEqual(2);
  });

  it("prints one JSON object with --json, and a table with compare", async () => {
    const { stdout } = await command(["coco-mini", "--predictions", inFolder("whole.json"), "--out", inFolder("json"), "--json"]);
    expect((JSON.parse(stdout) as Results).results["coco-mini"]?.["bleu-4"]).toBeCloseTo(1, 6);
    const compared = await command(["compare", inFolder("whole"), inFolder("missing")]);
    expect(compared.stdout).toMatch(/\| coco-mini \| 25 \|/);
  });
});
