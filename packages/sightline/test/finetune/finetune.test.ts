import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { StepEnd } from "@sightline/contrastive";
import { loadSiglip } from "@sightline/vision-tower";
import { openSafetensors } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadVisionChat, type FinetuneEvent, type FinetuneSettings } from "../../src/index.js";
import { eventsOf, examples, miniSiglip, resultBytes, tinyRun } from "./tiny-run.js";

let folder: string;
let settings: FinetuneSettings;
let straight: FinetuneEvent[];

/** The same run with other settings, in a folder of its own. */
function variant(name: string, changes: Partial<FinetuneSettings>): FinetuneSettings {
  return { ...settings, out: path.join(folder, name), ...changes };
}

function losses(events: readonly FinetuneEvent[]): number[] {
  return events.flatMap((event) => (event.type === "step-end" ? [event.loss] : []));
}

async function tensor(directory: string, name: string): Promise<Float32Array> {
  await using file = await openSafetensors(path.join(directory, "model.safetensors"));
  return file.readFloat32(name);
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0);
}

const query = "vision_model.encoder.layers.1.self_attn.q_proj.weight";
const textQuery = "text_model.encoder.layers.0.self_attn.q_proj.weight";

beforeAll(async () => {
  ({ folder, settings } = await tinyRun());
  straight = await eventsOf(settings);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("a run", () => {
  it("tells each step, each evaluation and each checkpoint in order, then its results", () => {
    expect(straight.map((event) => event.type)).toEqual([
      "data-read", "step-end", "step-end", "checkpoint-saved", "step-end", "eval-end", "step-end", "checkpoint-saved", "step-end", "step-end", "eval-end", "checkpoint-saved", "exported",
    ]);
    expect(straight[0]).toMatchObject({ trainPairs: 10, validationPairs: 10, leftOut: [], totalSteps: 6 });
  });

  it("starts b at the batch's odds when the towers know nothing, and at a fitted value by default", async () => {
    const first = async (bias: FinetuneSettings["logitBias"]): Promise<number> =>
      ((await eventsOf(variant(`bias-${bias}`, { steps: 1, logitBias: bias as number, export: [], evaluate: { everySteps: 9 } }))).find((event) => event.type === "step-end") as StepEnd).figures["logitBias"] as number;
    expect(await first("batch")).toBeCloseTo(Math.log(4 / 12), 6);
    expect(await first(-2.5)).toBe(-2.5);
    expect(await first("checkpoint")).toBe(-10);
    // Random cosines are small against 1 here, times t = 10.
    const fitted = await first("fitted");
    expect(fitted).toBeGreaterThan(-14);
    expect(fitted).toBeLessThan(12);
  });

  it("lowers the loss on pairs that it sees again", async () => {
    const seen = losses(await eventsOf(variant("long", { steps: 60, batchSize: 10, export: [], optimizer: { learningRate: 3e-3 } })));
    expect(seen.at(-1)).toBeLessThan(0.5 * (seen[0] as number));
  });

  it("leaves a checkpoint that loads here, trained and with its scale and bias", async () => {
    await using before = await loadSiglip(settings.model);
    await using after = await loadSiglip(path.join(settings.out, "model"));
    const images = [path.join(examples, "scene.png")];
    const [a, b] = [await before.encodeImages(images), await after.encodeImages(images)];
    expect(largestDifference(a.pooled, b.pooled)).toBeGreaterThan(0.01);
    const last = straight.findLast((event): event is StepEnd => event.type === "step-end") as StepEnd;
    expect(Math.abs(Math.exp((await tensor(path.join(settings.out, "model"), "logit_scale"))[0] as number) - (last.figures["temperature"] as number))).toBeLessThan(0.05);
  });

  it("sees pictures and texts as the towers do outside of training", async () => {
    const still = variant("still", { model: "mini", steps: 1, optimizer: { learningRate: 1e-12 }, logitBias: "checkpoint", evaluate: { everySteps: 1 }, export: [] });
    const evaluated = (await eventsOf(still)).find((event) => event.type === "eval-end");
    await using siglip = await loadSiglip(miniSiglip);
    const pairs = (await readFile(path.join(folder, "pairs.jsonl"), "utf8")).split("\n").map((line) => JSON.parse(line) as { image: string; captions: string[] });
    const { pooled, width } = await siglip.encodeImages(pairs.map(({ image }) => image));
    const texts = await siglip.encodeTexts(pairs.flatMap(({ captions }) => captions));
    const cosine = (i: number, j: number): number => {
      let [dot, a, b] = [0, 0, 0];
      for (let k = 0; k < width; k++) {
        const [x, y] = [pooled[i * width + k] as number, texts[j * width + k] as number];
        [dot, a, b] = [dot + x * y, a + x * x, b + y * y];
      }
      return dot / Math.sqrt(a * b);
    };
    const mean = Array.from({ length: 20 }, (_, j) => cosine(Math.floor(j / 2), j)).reduce((sum, value) => sum + value, 0) / 20;
    const [scale, bias] = [(await tensor(miniSiglip, "logit_scale"))[0] as number, (await tensor(miniSiglip, "logit_bias"))[0] as number];
    expect(evaluated?.metrics["meanPositiveLogit"]).toBeCloseTo(Math.exp(scale) * mean + bias, 3);
  });

  it("writes every event to log.jsonl, event files for TensorBoard, and a picture", async () => {
    const lines = (await readFile(path.join(settings.out, "log.jsonl"), "utf8")).trim().split("\n").map((line) => JSON.parse(line) as FinetuneEvent);
    expect(lines).toEqual(straight.filter(({ type }) => type !== "data-read" && type !== "exported"));
    expect(await readdir(path.join(settings.out, "tensorboard"))).toHaveLength(1);
    expect(await readFile(path.join(settings.out, "training.svg"), "utf8")).toMatch(/^<svg [^]*sigmoid loss, batch 4[^]*<\/svg>\n$/);
  });

  it("keeps the last two checkpoints and the best", async () => {
    const best = variant("best", { checkpoints: { everySteps: 1, keep: 1, best: "textToImage.r1" }, steps: 6 });
    const events = await eventsOf(best);
    const bestSteps = events.flatMap((event) => (event.type === "checkpoint-saved" && event.best ? [event.step] : []));
    const kept = (await readdir(path.join(best.out, "checkpoints"))).sort();
    expect(kept).toEqual([...new Set([bestSteps.at(-1) as number, 6])].map((step) => `step-0000000${step}.safetensors`));
    expect(await readdir(path.join(settings.out, "checkpoints"))).toEqual(["step-00000004.safetensors", "step-00000006.safetensors"]);
  });
});

describe("resuming", () => {
  it("gives the same weights to the bit after an interruption between two checkpoints", async () => {
    const interrupted = variant("interrupted", {});
    const controller = new AbortController();
    const run = async (): Promise<void> => {
      const { finetune } = await import("../../src/index.js");
      for await (const event of finetune(interrupted, { signal: controller.signal })) if (event.type === "step-end" && event.step === 3) controller.abort(new Error("enough"));
    };
    await expect(run()).rejects.toThrow("enough");
    expect(await readdir(path.join(interrupted.out, "checkpoints"))).toContain("step-00000003.safetensors");
    const rest = await eventsOf(interrupted, { resume: true });
    expect(losses(rest)).toEqual(losses(straight).slice(3));
    expect((await resultBytes(interrupted)).equals(await resultBytes(settings))).toBe(true);
  });

  it("gives the same weights with dropout, augmentation, an average and gradients in chunks", async () => {
    const changes: Partial<FinetuneSettings> = {
      trains: { lora: { rank: 2, dropout: 0.2 } },
      chunk: 3,
      optimizer: { learningRate: 2e-3, movingAverage: 0.9 },
      data: { ...settings.data, augment: { randomResizedCrop: {}, horizontalFlip: 0.5, colorJitter: { brightness: 0.3, hue: 0.1 } } },
    };
    const whole = variant("whole", changes);
    const expected = losses(await eventsOf(whole));
    // As a kill would leave it: without the checkpoints of later steps, and with a save that was cut short.
    const killed = variant("killed", changes);
    await cp(whole.out, killed.out, { recursive: true });
    await rm(path.join(killed.out, "checkpoints", "step-00000006.safetensors"));
    await rm(path.join(killed.out, "model"), { recursive: true });
    await writeFile(path.join(killed.out, "checkpoints", "step-00000006.safetensors.partial"), "cut");
    expect(losses(await eventsOf(killed, { resume: true }))).toEqual(expected.slice(4));
    expect((await resultBytes(killed)).equals(await resultBytes(whole))).toBe(true);
    expect(await readdir(path.join(killed.out, "checkpoints"))).toEqual(["step-00000004.safetensors", "step-00000006.safetensors"]);
  });

  it("refuses other settings, naming them, a folder without a run, and a folder with one that is not resumed", async () => {
    await expect(eventsOf({ ...settings, batchSize: 5 }, { resume: true })).rejects.toThrow(/batchSize = 4, and this run has 5/);
    await expect(eventsOf(variant("nothing", {}), { resume: true })).rejects.toThrow(/has no checkpoint to resume from/);
    const again = variant("again", { steps: 1, export: [] });
    await eventsOf(again);
    expect(losses(await eventsOf(again, { overwrite: true }))).toEqual(losses(straight).slice(0, 1));
    await expect(eventsOf(settings)).rejects.toThrow(/holds a run of 6 steps; resume it, overwrite it, or name another folder/);
  });
});

describe("what trains", () => {
  const quick = { export: ["safetensors"], evaluate: { everySteps: 99 }, steps: 3 } as const;

  it("gradients in chunks are those of the whole batch", async () => {
    const whole = variant("direct", { ...quick, batchSize: 10 });
    const chunked = variant("chunked", { ...quick, batchSize: 10, chunk: 3 });
    const [a, b] = [losses(await eventsOf(whole)), losses(await eventsOf(chunked))];
    a.forEach((loss, i) => expect(Math.abs(loss - (b[i] as number)) / loss).toBeLessThan(1e-4));
  });

  it("LiT leaves the image tower as it was to the bit, from kept features as without them", async () => {
    const lit = variant("lit", { ...quick, trains: { image: "none" } });
    const again = variant("lit-again", { ...quick, trains: { image: "none" }, cacheFeatures: false });
    const [a, b] = [losses(await eventsOf(lit)), losses(await eventsOf(again))];
    a.forEach((loss, i) => expect(Math.abs(loss - (b[i] as number)) / loss).toBeLessThan(1e-4));
    expect(await tensor(path.join(lit.out, "model"), query)).toEqual(await tensor(settings.model, query));
    expect(largestDifference(await tensor(path.join(lit.out, "model"), textQuery), await tensor(settings.model, textQuery))).toBeGreaterThan(1e-3);
  });

  it("heads alone train on kept patch tokens and text features; blocks stay", async () => {
    const heads = variant("heads", { ...quick, trains: { image: "head", text: "head" } });
    await eventsOf(heads);
    const moved = async (name: string): Promise<number> => largestDifference(await tensor(path.join(heads.out, "model"), name), await tensor(settings.model, name));
    expect(await moved("vision_model.head.attention.in_proj_weight")).toBeGreaterThan(1e-3);
    expect(await moved("text_model.head.weight")).toBeGreaterThan(1e-3);
    expect(await moved(query)).toBe(0);
    expect(await moved("text_model.final_layer_norm.weight")).toBe(0);
  });

  it("the last block alone", async () => {
    const last = variant("last", { ...quick, trains: { image: { lastBlocks: 1 }, text: "none" } });
    await eventsOf(last);
    const moved = async (name: string): Promise<number> => largestDifference(await tensor(path.join(last.out, "model"), name), await tensor(settings.model, name));
    expect(await moved(query)).toBeGreaterThan(1e-3);
    expect(await moved(query.replace("layers.1", "layers.0"))).toBe(0);
    expect(await moved(textQuery)).toBe(0);
  });

  it("LoRA writes an adapter whose product is what the merged weights gained", async () => {
    const lora = variant("lora", { ...quick, export: ["safetensors", "lora"], trains: { lora: { rank: 2, alpha: 4 } } });
    await eventsOf(lora);
    await using adapter = await openSafetensors(path.join(lora.out, "lora", "adapter_model.safetensors"));
    const config = JSON.parse(await readFile(path.join(lora.out, "lora", "adapter_config.json"), "utf8")) as { r: number; lora_alpha: number };
    expect(config).toMatchObject({ r: 2, lora_alpha: 4 });
    const name = `base_model.model.${query.replace(/\.weight$/, "")}`;
    const [down, up] = [await adapter.readFloat32(`${name}.lora_A.weight`), await adapter.readFloat32(`${name}.lora_B.weight`)];
    const [before, after] = [await tensor(settings.model, query), await tensor(path.join(lora.out, "model"), query)];
    const width = 32;
    const gained = before.map((value, at) => {
      const [row, column] = [Math.floor(at / width), at % width];
      return value + 2 * ((up[row * 2] as number) * (down[column] as number) + (up[row * 2 + 1] as number) * (down[width + column] as number));
    });
    expect(largestDifference(gained, before)).toBeGreaterThan(1e-4);
    expect(largestDifference(gained, after)).toBeLessThan(1e-6);
    expect(adapter.tensors.has("base_model.model.vision_model.head.attention.lora_A.weight")).toBe(true);
  });

  it("softmax, Muon and a limit on t", async () => {
    const limited = variant("limited", { ...quick, loss: "softmax", optimizer: { type: "muon", learningRate: 5e-2, rates: { temperature: 10 } }, maxLogitScale: 10.0001, steps: 4 });
    await eventsOf(limited);
    expect((await tensor(path.join(limited.out, "model"), "logit_scale"))[0]).toBeLessThanOrEqual(Math.fround(Math.log(10.0001)));
    expect((await tensor(path.join(limited.out, "model"), "logit_bias"))[0]).toBe(-10);
  });
});

describe("data that is not as it should be", () => {
  it("counts what cannot be read, and goes on with the rest of the batch", async () => {
    const broken = path.join(folder, "broken");
    await mkdir(broken);
    await writeFile(path.join(broken, "cut.png"), (await readFile(path.join(examples, "scene.png"))).subarray(0, 300));
    const lines = (await readFile(path.join(folder, "pairs.jsonl"), "utf8")).split("\n").slice(0, 4);
    lines.push(JSON.stringify({ id: "cut", image: "cut.png", caption: "a cut picture" }), JSON.stringify({ id: "gone", image: "gone.png", caption: "no picture" }), JSON.stringify({ id: "mute", image: "cut.png", caption: " " }), "not json");
    await writeFile(path.join(broken, "pairs.jsonl"), lines.join("\n"));
    const data = { train: path.join(broken, "pairs.jsonl") };
    const events = await eventsOf(variant("broken-run", { data, batchSize: 6, steps: 2, export: [] }));
    expect(events[0]).toMatchObject({ trainPairs: 6, leftOut: ["1 x no caption: mute", "1 x not a JSON object: pairs.jsonl:8"] });
    const left = events.find((event) => event.type === "pairs-left-out");
    expect(left?.bad.map(({ id }) => id).sort()).toEqual(["cut", "gone"]);
    expect(events.filter((event): event is StepEnd => event.type === "step-end").map(({ samples }) => samples)).toEqual([4, 4]);
    await expect(eventsOf(variant("strict", { data: { ...data, bad: "fail" }, batchSize: 4 }))).rejects.toThrow(/pair mute: no caption; mend or remove it/);
  });

  it("refuses a batch larger than the data, one pair, empty data and captions that are too long", async () => {
    await expect(eventsOf(variant("large", { batchSize: 11 }))).rejects.toThrow(/expected a batch of 1 to 10 pairs, as many as there are, got 11/);
    const one = path.join(folder, "one.jsonl");
    await writeFile(one, (await readFile(path.join(folder, "pairs.jsonl"), "utf8")).split("\n")[0] as string);
    await expect(eventsOf(variant("single", { data: { train: one }, batchSize: 1 }))).rejects.toThrow(/expected matches and negatives, got 1 matches of 1 pairs/);
    const empty = path.join(folder, "empty.jsonl");
    await writeFile(empty, "\n");
    await expect(eventsOf(variant("empty", { data: { train: empty } }))).rejects.toThrow(/no pairs in .*empty\.jsonl; check the path/);
    const long = path.join(folder, "long.jsonl");
    await writeFile(long, JSON.stringify({ id: "essay", image: path.join(examples, "scene.png"), caption: "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen" }));
    await expect(eventsOf(variant("essay", { data: { train: long, longCaptions: "fail" } }))).rejects.toThrow(/pair essay: expected captions of at most 16 tokens/);
    await expect(eventsOf(variant("essay", { data: { train: long, longCaptions: "skip" } }))).rejects.toThrow(/1 x every caption is longer than 16 tokens: essay/);
  });

  it("stops at a loss that is no number, naming the step and its pairs, with the state before it saved", async () => {
    const broken = variant("nan", { optimizer: { learningRate: 1e30, maxGradientNorm: 1e30 }, schedule: { warmupSteps: 0 }, evaluate: { everySteps: 99 }, checkpoints: { everySteps: 99 }, data: { train: settings.data.train } });
    await expect(eventsOf(broken)).rejects.toThrow(/train: step \d: .*(NaN|Infinity).*; its pairs: .*\.png.*; the state before it is in .*step-0000000\d\.safetensors/);
  });

  it("names the nearest key for one that it does not know, and both of two that exclude each other", async () => {
    await expect(eventsOf({ ...settings, optimizer: { learninRate: 1 } } as never)).rejects.toThrow('unknown key "optimizer.learninRate"; did you mean "learningRate"?');
    await expect(eventsOf({ ...settings, epochs: 1 })).rejects.toThrow("expected steps or epochs, one of them");
    await expect(eventsOf({ ...settings, batchSize: 0 })).rejects.toThrow(/batchSize: .*got 0/);
    await expect(eventsOf({ ...settings, model: path.join(folder, "nowhere") })).rejects.toThrow(/nowhere.*config\.json: cannot be read/);
  });
});

describe("results on mini", () => {
  it("an mmproj with the trained tower answers in the chat, and differs from the one before", async () => {
    const base = path.join(miniSiglip, "..", "mmproj-mini.gguf");
    const run = variant("mini", { model: "mini", steps: 1, batchSize: 4, optimizer: { learningRate: 1e-6 }, trains: { text: "none", image: { lastBlocks: 1 } }, export: ["mmproj"], mmproj: base, data: { train: path.join(folder, "pairs.jsonl") } });
    await eventsOf(run);
    const [before, after] = [await readFile(base), await readFile(path.join(run.out, "mmproj.gguf"))];
    expect(after.length).toBe(before.length);
    expect(after.equals(before)).toBe(false);
    await using chat = await loadVisionChat({ mmproj: path.join(run.out, "mmproj.gguf"), decoder: path.join(miniSiglip, "..", "mini-qwen3.gguf") });
    const { text } = await chat.stream({ messages: [{ role: "user", content: [{ type: "image", image: path.join(examples, "scene.png") }, { type: "text", text: "What do you see?" }] }] }).result;
    expect(text).toBe("I see an airplane, a hamburger and a sailboat.");
  });
});
