import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { EvalEnd, StepEnd } from "@sightline/contrastive";
import { loadSiglip } from "@sightline/vision-tower";
import { openSafetensors } from "@sightline/weights";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FinetuneEvent, FinetuneSettings } from "../../src/index.js";
import { eventsOf, examples, resultBytes, writeTinyCheckpoint } from "./tiny-run.js";

let folder: string;
let settings: FinetuneSettings;
/** Wide, tall and square pictures, so that each has another grid and another number of padding patches. */
const sizes = [[128, 128], [200, 60], [50, 170], [96, 64], [30, 300], [128, 100]] as const;
const files = ["scene.png", "crabs.png", "penguins.png", "sunflower-and-deer.png", "airplane-and-eggplants.png", "duck-eggplant-package.png"];
let images: string[];
const captions = files.map((file) => path.basename(file, ".png").replaceAll("-", " "));

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "naflex-"));
  const model = await writeTinyCheckpoint(path.join(folder, "tiny"), { type: "siglip2" });
  images = await Promise.all(
    files.map(async (file, i) => {
      const [width, height] = sizes[i] as readonly [number, number];
      const image = path.join(folder, file);
      await sharp(path.join(examples, file)).resize(width, height, { fit: "cover" }).png().toFile(image);
      return image;
    }),
  );
  await writeFile(path.join(folder, "pairs.jsonl"), images.map((image, i) => JSON.stringify({ id: `${i}`, image, captions: [captions[i]] })).join("\n"));
  const data = path.join(folder, "pairs.jsonl");
  settings = { model, out: path.join(folder, "run"), data: { train: data, validation: data }, optimizer: { learningRate: 3e-3 }, steps: 4, batchSize: 6, threads: 1, seed: 3, evaluate: { everySteps: 4 }, checkpoints: { everySteps: 2 } };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const variant = (name: string, changes: Partial<FinetuneSettings>): FinetuneSettings => ({ ...settings, out: path.join(folder, name), ...changes });
const losses = (events: readonly FinetuneEvent[]): number[] => events.flatMap((event) => (event.type === "step-end" ? [(event satisfies StepEnd).loss] : []));
const tensor = async (directory: string, name: string): Promise<Float32Array> => {
  await using file = await openSafetensors(path.join(directory, "model.safetensors"));
  return file.readFloat32(name);
};
/** The largest relative difference of two runs' losses; both have as many. */
const farthest = (a: readonly number[], b: readonly number[]): number => (a.length === b.length ? Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number)) / Math.abs(value))) : Number.NaN);

describe("fine-tuning a NaFlex checkpoint", () => {
  it("sees pictures of every shape as the tower does outside of training", async () => {
    const still = variant("still", { steps: 1, optimizer: { learningRate: 1e-12 }, logitBias: "checkpoint", evaluate: { everySteps: 1 }, export: [] });
    const evaluated = (await eventsOf(still)).find((event): event is EvalEnd => event.type === "eval-end") as EvalEnd;
    await using siglip = await loadSiglip(settings.model);
    const { pooled } = await siglip.encodeImages(images);
    const logits = siglip.logits(pooled, await siglip.encodeTexts(captions));
    const mean = (keep: (i: number, j: number) => boolean): number => {
      const chosen = [...logits].filter((_, at) => keep(Math.floor(at / 6), at % 6));
      return chosen.reduce((sum, value) => sum + value, 0) / chosen.length;
    };
    expect(evaluated.metrics["meanPositiveLogit"]).toBeCloseTo(mean((i, j) => i === j), 4);
    expect(evaluated.metrics["meanNegativeLogit"]).toBeCloseTo(mean((i, j) => i !== j), 4);
  });

  it("trains patches, positions and blocks, and the result loads with its pictures understood better", async () => {
    const run = variant("long", { steps: 60, export: ["safetensors"] });
    const seen = losses(await eventsOf(run));
    expect(seen.at(-1)).toBeLessThan(0.5 * (seen[0] as number));
    for (const name of ["embeddings.position_embedding.weight", "embeddings.patch_embedding.weight", "encoder.layers.0.self_attn.q_proj.weight", "head.probe"]) {
      const [before, after] = [await tensor(settings.model, `vision_model.${name}`), await tensor(path.join(run.out, "model"), `vision_model.${name}`)];
      expect(before.some((value, i) => Math.abs(value - (after[i] as number)) > 1e-3), name).toBe(true);
    }
    await using siglip = await loadSiglip(path.join(run.out, "model"));
    for (const [i, image] of images.entries()) expect((await siglip.tag(image, captions, { template: "{label}" })).tags[0]?.label, `the label of ${image}`).toBe(captions[i]);
  });

  it("gives the same in chunks, from kept features of heads, and with LoRA before its first step", async () => {
    const quick = { export: [], steps: 3, optimizer: { learningRate: 1e-3 } } as const;
    expect(farthest(losses(await eventsOf(variant("whole", quick))), losses(await eventsOf(variant("chunks", { ...quick, chunk: 4 }))))).toBeLessThan(1e-4);
    const heads = { ...quick, trains: { image: "head", text: "head" } } as const;
    expect(farthest(losses(await eventsOf(variant("heads", heads))), losses(await eventsOf(variant("heads-anew", { ...heads, cacheFeatures: false }))))).toBeLessThan(1e-4);
    const [first] = losses(await eventsOf(variant("lora", { ...quick, trains: { lora: { rank: 2 } } })));
    expect(farthest([first as number], losses(await eventsOf(variant("one", { ...quick, steps: 1 }))))).toBeLessThan(1e-5);
  });

  it("goes on to the same bits after an interruption, with pictures cropped and mirrored", async () => {
    const changes: Partial<FinetuneSettings> = { data: { ...settings.data, augment: { randomResizedCrop: {}, horizontalFlip: 0.5 } } };
    const [whole, stopped] = [variant("unbroken", changes), variant("stopped", changes)];
    await eventsOf(whole);
    const controller = new AbortController();
    const { finetune } = await import("../../src/index.js");
    const broken = async (): Promise<void> => {
      for await (const event of finetune(stopped, { signal: controller.signal })) if (event.type === "step-end" && event.step === 1) controller.abort(new Error("enough"));
    };
    await expect(broken()).rejects.toThrow("enough");
    await eventsOf(stopped, { resume: true });
    expect((await resultBytes(stopped)).equals(await resultBytes(whole))).toBe(true);
  });

  it("says before it trains that other formats cannot hold the tower", async () => {
    await expect(eventsOf(variant("onnx", { export: ["safetensors", "onnx"] }))).rejects.toThrow(/is a NaFlex checkpoint, and onnx can hold towers of one fixed resolution only/);
  });

  it("leaves config.json as transformers wrote it, but for its dtype", async () => {
    const read = async (file: string): Promise<object> => JSON.parse(await readFile(file, "utf8")) as object;
    expect(await read(path.join(folder, "unbroken", "model", "config.json"))).toEqual({ ...(await read(path.join(settings.model, "config.json"))), dtype: "float32" });
  });
});
