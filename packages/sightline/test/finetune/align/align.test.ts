import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { EvalEnd } from "@sightline/contrastive";
import { loadDecoder, type Segment } from "@sightline/decoder";
import { decodeImage } from "@sightline/vision-tower";
import { openGguf } from "@sightline/weights";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { finetune, loadVisionChat, openImageEncoder, type AlignSettings, type ChatMessage, type FinetuneEvent, type ModelPaths } from "../../../src/index.js";
import { writeSeededMmproj } from "../../seeded-mmproj.js";
import { writeMiniCheckpoint } from "./mini-checkpoint.js";
import { writeTinyDecoder, type TinyArchitecture } from "./tiny-decoders.js";

const root = fileURLToPath(new URL("../../../../../", import.meta.url));
const mini = { mmproj: path.join(root, "models/mini/mmproj-mini.gguf"), decoder: path.join(root, "models/mini/mini-qwen3.gguf") };
const question = "What do you see?";

let folder: string;
let pictures: readonly { readonly file: string; readonly caption: string }[];
let settings: AlignSettings;
let straight: FinetuneEvent[];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "align-"));
  const examples = JSON.parse(await readFile(path.join(root, "examples/examples.json"), "utf8")) as { file: string; caption: string }[];
  pictures = examples.slice(0, 4).map(({ file, caption }) => ({ file: path.join(root, "examples", file), caption }));
  const rows = pictures.map(({ file, caption }) => ({ id: path.basename(file), image: file, conversations: [{ from: "human", value: `<image>\n${question}` }, { from: "gpt", value: caption }] }));
  await writeFile(path.join(folder, "train.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
  settings = {
    stage: "align",
    model: "mini",
    out: path.join(folder, "run"),
    data: { train: path.join(folder, "train.jsonl"), validation: path.join(folder, "train.jsonl") },
    projector: { start: "new" },
    optimizer: { learningRate: 3e-3 },
    batchSize: 4,
    steps: 40,
    schedule: { warmupSteps: 2 },
    threads: 1,
    seed: 5,
    evaluate: { everySteps: 20 },
    checkpoints: { everySteps: 20 },
  };
  straight = await eventsOf(settings);
}, 180_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

function variant(name: string, changes: Partial<AlignSettings>): AlignSettings {
  return { ...settings, out: path.join(folder, name), ...changes };
}

async function eventsOf(asked: AlignSettings, options: Parameters<typeof finetune>[1] = {}): Promise<FinetuneEvent[]> {
  const events: FinetuneEvent[] = [];
  for await (const event of finetune(asked, options)) events.push(event);
  return events;
}

const evaluations = (events: readonly FinetuneEvent[]): EvalEnd[] => events.filter((event): event is EvalEnd => event.type === "eval-end");

/** What a model says of the pictures, decoded by llama.cpp. */
async function answers(model: string | ModelPaths, loraAdapters: readonly { path: string }[] = []): Promise<string[]> {
  await using chat = await loadVisionChat(model, { threads: 1, decoder: { loraAdapters } });
  const said: string[] = [];
  for (const { file } of pictures) {
    const { text } = await chat.stream({ messages: [{ role: "user", content: [{ type: "image", image: file }, { type: "text", text: question }] }], maxTokens: 40, sampling: { temperature: 0 } }).result;
    said.push(text);
  }
  return said;
}

const captions = (): string[] => pictures.map(({ caption }) => caption);

describe("a projector that begins anew", () => {
  it("says nothing right before training, and after some steps the model answers right through llama.cpp", async () => {
    const untrained = variant("untrained", { steps: 1, optimizer: { learningRate: 1e-12 }, evaluate: { everySteps: 1 } });
    const [before] = evaluations(await eventsOf(untrained));
    expect(before?.metrics["exactMatch"]).toBe(0);
    const wrong = await answers(path.join(untrained.out, "model"));
    expect(wrong.filter((text, i) => text === captions()[i])).toEqual([]);

    const after = evaluations(straight).at(-1)?.metrics;
    expect(after).toMatchObject({ exactMatch: 1, tokenAccuracy: 1 });
    expect(after?.["loss"]).toBeLessThan(0.1 * (before?.metrics["loss"] as number));
    expect(await answers(path.join(settings.out, "model"))).toEqual(captions());
  }, 180_000);

  it("tells of its features, its data, each step, evaluation and checkpoint, and where the model is", () => {
    const types = straight.map(({ type }) => type);
    expect(types.filter((type) => type === "step-end")).toHaveLength(40);
    expect([...new Set(types)]).toEqual(["features-computed", "data-read", "step-end", "eval-end", "checkpoint-saved", "exported"]);
    expect(straight.find(({ type }) => type === "data-read")).toMatchObject({ unit: "conversations", trainPairs: 4, validationPairs: 4, leftOut: [], cutCaptions: 0, trainedParameters: 192 * 256 + 192 + 192 * 192 + 192 });
    expect(straight.at(-1)).toEqual({ type: "exported", format: "model", path: path.join(settings.out, "model") });
  });

  it("leaves the decoder as it was, to the byte, and the tower's tensors too", async () => {
    expect((await readFile(path.join(settings.out, "model", "mini-qwen3.gguf"))).equals(await readFile(mini.decoder))).toBe(true);
    await using before = await openGguf(mini.mmproj);
    await using after = await openGguf(path.join(settings.out, "model", "mmproj.gguf"));
    const same = async (name: string): Promise<boolean> => Buffer.from(await after.readBytes(name)).equals(await before.readBytes(name));
    for (const { name } of before.tensors.values()) expect(await same(name), name).toBe(name.startsWith("v."));
  });

  it("draws its run: curves of the loss and of right answers, on conversations", async () => {
    const picture = await readFile(path.join(settings.out, "training.svg"), "utf8");
    expect(picture).toContain("answers right to the letter");
    expect(picture).toContain("160 conversations");
    expect(picture).not.toContain("Temperature and bias");
  });

  it("stands as well behind the tower of a SigLIP checkpoint: the same steps, and an mmproj to go on from", async () => {
    const run = variant("siglip", { model: { tower: "mini", decoder: mini.decoder }, projector: {}, steps: 40 });
    const events: FinetuneEvent[] = [];
    const abort = new AbortController();
    await expect(async () => {
      for await (const event of finetune(run, { signal: abort.signal })) if (events.push(event) && event.type === "step-end" && event.step === 3) abort.abort(new Error("enough"));
    }).rejects.toThrow("enough");
    const losses = (all: readonly FinetuneEvent[]): number[] => all.flatMap((event) => (event.type === "step-end" ? [event.loss] : [])).slice(0, 3);
    // Both files hold the tower in float16.
    losses(events).forEach((loss, i) => expect(Math.abs(loss - (losses(straight)[i] as number))).toBeLessThan(1e-3));

    const short = variant("siglip-short", { model: { tower: "mini", decoder: mini.decoder }, projector: {}, steps: 1, evaluate: { everySteps: 1 } });
    const [evaluated] = evaluations(await eventsOf(short));
    const on = variant("siglip-on", { model: path.join(short.out, "model"), projector: {}, steps: 1, optimizer: { learningRate: 1e-12 }, evaluate: { everySteps: 1 }, export: [] });
    // The projector is stored in float16.
    expect(Math.abs((evaluations(await eventsOf(on))[0]?.metrics["loss"] as number) - (evaluated?.metrics["loss"] as number))).toBeLessThan(0.02);
    expect((await answers(path.join(short.out, "model"))).every((text) => typeof text === "string")).toBe(true);
  }, 180_000);
});

/** Mean cross-entropy of answers and their ends, by llama.cpp's log-probabilities of what a chat would be shown. */
async function llamaLoss(model: ModelPaths, answered: readonly { readonly file: string; readonly caption: string }[]): Promise<number> {
  await using encoder = await openImageEncoder(model.mmproj, { threads: 1 });
  await using decoder = await loadDecoder(model.decoder, { cacheTypeK: "f32", cacheTypeV: "f32", threads: 1 });
  let [sum, count] = [0, 0];
  for (const { file, caption } of answered) {
    const image = await decodeImage(file);
    const { pictures: [parts = []] } = await encoder.encode([{ image, plan: encoder.plan(image) }]);
    const prompt: Segment[] = [];
    let scaffold = "<|im_start|>user\n";
    const tokens = (text: string, specials: boolean): void => void prompt.push({ type: "tokens", tokens: decoder.tokenize(text, { specials }) });
    parts.forEach((part, i) => {
      if (part.type === "text") scaffold += part.text;
      else {
        if (scaffold !== "") tokens(scaffold, true);
        scaffold = "";
        prompt.push({ type: "embeddings", embeddings: part.embeddings, attention: part.attention, id: `${file}:${i}` });
      }
    });
    if (scaffold !== "") tokens(scaffold, true);
    tokens(question, false);
    tokens("<|im_end|>\n<|im_start|>assistant\n", true);
    const answer = [...decoder.tokenize(caption), ...decoder.tokenize("<|im_end|>", { specials: true })];
    for (const [i, id] of answer.entries()) {
      const given: Segment[] = i === 0 ? [] : [{ type: "tokens", tokens: Int32Array.from(answer.slice(0, i)) }];
      const { logprobs } = await decoder.generate([...prompt, ...given], { maxTokens: 1, logprobs: 100, ignoreEnd: true, sampling: { temperature: 0 } }).result;
      const found = logprobs?.[0]?.top.find((one) => one.id === id);
      expect(found, `token ${id} of "${caption}"`).toBeDefined();
      sum -= found?.logprob as number;
      count++;
    }
  }
  return sum / count;
}

describe("the loss", () => {
  // idefics3 shows tiles with text around them; the rows of gemma3's pictures look at each other both ways. Their weights are seeded.
  it.each(["mini", "idefics3", "gemma3"] as const)("is llama.cpp's on what a model answers by itself, to 1e-4: %s", async (family) => {
    const model = family === "mini" ? mini : { mmproj: path.join(folder, `mmproj-loss-${family}.gguf`), decoder: mini.decoder };
    if (family !== "mini") await writeSeededMmproj(model.mmproj, family);
    const said = await answers(model);
    const answered = pictures.map(({ file }, i) => ({ file, caption: said[i] as string })).filter(({ caption }) => caption !== "").slice(0, 3);
    expect(answered.length).toBeGreaterThan(0);
    const data = path.join(folder, `answered-${family}.jsonl`);
    await writeFile(data, answered.map(({ file, caption }) => JSON.stringify({ image: file, conversations: [{ from: "human", value: `<image>\n${question}` }, { from: "gpt", value: caption }] })).join("\n"));
    const still = variant(`still-${family}`, { model, projector: {}, data: { train: data, validation: data }, batchSize: 1, steps: 1, optimizer: { learningRate: 1e-12 }, evaluate: { everySteps: 1 }, export: [] });
    const [evaluated] = evaluations(await eventsOf(still));
    expect(Math.abs((evaluated?.metrics["loss"] as number) - (await llamaLoss(model, answered)))).toBeLessThan(1e-4);
  }, 180_000);
});

describe("what is read", () => {
  it("is what a chat shows over several turns, tiles and the text around them included: its own answers are right to the letter", async () => {
    const model = { mmproj: path.join(folder, "mmproj-seen.gguf"), decoder: mini.decoder };
    await writeSeededMmproj(model.mmproj, "idefics3");
    // Pictures of two shapes have other tiles.
    const wide = path.join(folder, "wide.png");
    await sharp(pictures[0]?.file).resize(128, 64, { fit: "fill" }).toFile(wide);
    await using chat = await loadVisionChat(model, { threads: 1 });
    const rows: object[] = [];
    for (const image of [pictures[1]?.file as string, wide]) {
      const asked = { role: "user" as const, content: [{ type: "image" as const, image }, { type: "text" as const, text: question }] };
      const ask = async (messages: readonly ChatMessage[]): Promise<string> => (await chat.stream({ messages, maxTokens: 60, sampling: { temperature: 0 } }).result).text;
      const first = await ask([asked]);
      const second = await ask([asked, { role: "assistant", content: first }, { role: "user", content: "Is there a crab?" }]);
      expect(first.trim()).toBe(first);
      rows.push({ image, conversations: [{ from: "human", value: `<image>\n${question}` }, { from: "gpt", value: first }, { from: "human", value: "Is there a crab?" }, { from: "gpt", value: second }] });
    }
    const data = path.join(folder, "own-answers.jsonl");
    await writeFile(data, rows.map((row) => JSON.stringify(row)).join("\n"));
    const run = variant("turns", { model, projector: {}, data: { train: data, validation: data }, batchSize: 2, chunk: 1, steps: 1, optimizer: { learningRate: 1e-12 }, evaluate: { everySteps: 1 }, export: [] });
    expect(evaluations(await eventsOf(run))[0]?.metrics).toMatchObject({ exactMatch: 1, tokenAccuracy: 1 });
    // Without features that are kept, the tower in the graph gives the same.
    const [kept, computed] = await Promise.all([run, { ...run, out: path.join(folder, "turns-computed"), cacheFeatures: false }].map(async (one) => evaluations(await eventsOf(one, { overwrite: true }))[0]?.metrics["loss"] as number));
    expect(Math.abs((kept as number) - (computed as number))).toBeLessThan(1e-4);
  }, 180_000);
});

describe("an interrupted run", () => {
  it("goes on to the same bits: projector, adapter with dropout, and the tower's last block, in chunks of a batch", async () => {
    const trained = { trains: { decoder: { lora: { rank: 2, dropout: 0.1 } }, tower: { lastBlocks: 1 } }, projector: {}, chunk: 2, batchSize: 3, steps: 4, optimizer: { learningRate: 1e-3, movingAverage: 0.9 }, evaluate: { everySteps: 9 }, checkpoints: { everySteps: 2 }, export: ["mmproj", "adapter"] as const };
    const whole = variant("whole", trained);
    await eventsOf(whole);
    const stopped = variant("stopped", trained);
    const abort = new AbortController();
    await expect(async () => {
      for await (const event of finetune(stopped, { signal: abort.signal })) if (event.type === "step-end" && event.step === 2) abort.abort(new Error("enough"));
    }).rejects.toThrow("enough");
    await eventsOf(stopped, { resume: true });
    for (const name of ["mmproj.gguf", "adapter.gguf"]) {
      const [a, b] = await Promise.all([whole, stopped].map(({ out }) => readFile(path.join(out, name))));
      // The file says which run it is of.
      const bytes = (file: Buffer | undefined, run: string): string => (file as Buffer).toString("latin1").replace(run, "");
      expect(bytes(a, "whole").length, name).toBeGreaterThan(1000);
      expect(bytes(b, "stopped").slice(-20_000) === bytes(a, "whole").slice(-20_000), name).toBe(true);
    }
    await expect(eventsOf({ ...stopped, seed: 6 }, { resume: true })).rejects.toThrow("was made with seed = 5, and this run has 6");
  }, 180_000);
});

describe("a decoder that learns", () => {
  it("answers alike with its adapter in llama.cpp and with the adapter merged, both as it was taught", async () => {
    const rows = pictures.map(({ file }, i) => ({ messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: file } }, { type: "text", text: question }] }, { role: "assistant", content: i % 2 === 0 ? "Yes." : "No." }] }));
    await writeFile(path.join(folder, "new-answers.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
    const data = { train: path.join(folder, "new-answers.jsonl"), validation: path.join(folder, "new-answers.jsonl") };
    const run = variant("lora", { data, projector: {}, trains: { projector: false, decoder: { lora: { rank: 4, alpha: 8 } } }, optimizer: { learningRate: 1e-2 }, steps: 30, evaluate: { everySteps: 30 }, export: ["adapter", "decoder", "model"] });
    const events = await eventsOf(run);
    expect(evaluations(events).at(-1)?.metrics["exactMatch"]).toBe(1);
    const taught = ["Yes.", "No.", "Yes.", "No."];
    expect(await answers({ mmproj: mini.mmproj, decoder: mini.decoder }, [{ path: path.join(run.out, "adapter.gguf") }])).toEqual(taught);
    expect(await answers({ mmproj: mini.mmproj, decoder: path.join(run.out, "decoder.gguf") })).toEqual(taught);
    expect(await answers(path.join(run.out, "model"))).toEqual(taught);
  }, 180_000);
});

describe("decoders of every kind", () => {
  it.each<TinyArchitecture>(["qwen3", "qwen2", "llama", "gemma3"])("%s learns by an adapter, which llama.cpp takes, and which merged gives the same", async (architecture) => {
    const decoder = path.join(folder, `tiny-${architecture}.gguf`);
    await writeTinyDecoder(decoder, architecture);
    const run = variant(`tiny-${architecture}`, { model: { tower: "mini", decoder }, projector: {}, trains: { decoder: { lora: { rank: 2, alpha: 4 } } }, optimizer: { learningRate: 0.02 }, steps: 2, evaluate: { everySteps: 1 }, schedule: { warmupSteps: 0, floor: 1 }, export: ["model", "adapter"] });
    const [before, after] = evaluations(await eventsOf(run)).map(({ metrics }) => metrics["loss"] as number) as [number, number];
    expect(after).toBeLessThan(before);
    const logprobs = async (file: string, loraAdapters: readonly { path: string }[] = []): Promise<ReadonlyMap<number, number>> => {
      await using loaded = await loadDecoder(file, { loraAdapters, cacheTypeK: "f32", cacheTypeV: "f32", threads: 1 });
      const { logprobs: all } = await loaded.generate([{ type: "tokens", tokens: Int32Array.of(65, 66, 300, 67, 12, 400, 7, 8, 9, 10) }], { maxTokens: 1, logprobs: 100, ignoreEnd: true, sampling: { temperature: 0 } }).result;
      return new Map(all?.[0]?.top.map(({ id, logprob }) => [id, logprob]));
    };
    const [plain, adapted, merged] = [await logprobs(decoder), await logprobs(decoder, [{ path: path.join(run.out, "adapter.gguf") }]), await logprobs(path.join(run.out, "model", path.basename(decoder)))];
    const difference = (a: ReadonlyMap<number, number>, b: ReadonlyMap<number, number>): number => Math.max(...[...a].map(([id, logprob]) => (b.has(id) ? Math.abs(logprob - (b.get(id) as number)) : 0)));
    expect(difference(adapted, merged)).toBeLessThan(5e-3);
    expect(difference(plain, merged)).toBeGreaterThan(0.05);
  }, 180_000);

  it("a quantised one is refused before training where what it learnt could not be written, and learns by an adapter", async () => {
    const decoder = path.join(folder, "packed.gguf");
    await writeTinyDecoder(decoder, "qwen3", (_, tensors) => {
      const at = tensors.findIndex(({ name }) => name === "blk.0.ffn_down.weight");
      const { name, shape } = tensors[at]!;
      tensors[at] = { name, shape, dtype: "Q4_0", data: new Uint8Array((shape[0]! * shape[1]! / 32) * 18).fill(17) };
    });
    const lora = { model: { tower: "mini", decoder }, projector: {}, trains: { decoder: { lora: { rank: 2 } } }, steps: 1 };
    await expect(eventsOf(variant("packed", lora))).rejects.toThrow(`export: the decoder's "blk.0.ffn_down.weight" is Q4_0, which trained weights cannot be written as; give the decoder as F32, F16, BF16 or Q8_0, or ask for "adapter" and "mmproj"`);
    const events = await eventsOf(variant("packed-adapter", { ...lora, export: ["adapter", "mmproj"] }));
    expect(events.filter(({ type }) => type === "exported")).toMatchObject([{ format: "adapter" }, { format: "mmproj" }]);
  }, 180_000);
});

describe("data and models that are not as they should be", () => {
  it("leaves bad conversations out and tells of them, or ends the run when asked to", async () => {
    const good = JSON.parse((await readFile(path.join(folder, "train.jsonl"), "utf8")).split("\n")[0] as string) as object;
    await writeFile(path.join(folder, "broken.png"), "no picture");
    const lines = [good, { ...good, id: "gone", image: "gone.png" }, { ...good, id: "broken", image: "broken.png" }, { id: "mute", conversations: [{ from: "human", value: "Hi" }] }, { id: "text", conversations: [{ from: "human", value: "Hi" }, { from: "gpt", value: "Yes." }] }];
    const train = path.join(folder, "mixed.jsonl");
    await writeFile(train, [...lines.map((line) => JSON.stringify(line)), "{"].join("\n"));
    const run = variant("mixed", { data: { train }, steps: 2, batchSize: 2, export: [] });
    const read = (await eventsOf(run)).find(({ type }) => type === "data-read");
    expect(read).toMatchObject({ trainPairs: 2, leftOut: expect.arrayContaining([expect.stringContaining("1 x no answer: mute"), expect.stringContaining("1 x not a JSON object: mixed.jsonl:6"), expect.stringMatching(/^gone: .*gone\.png/), expect.stringMatching(/^broken: /)]) as unknown });
    await expect(eventsOf({ ...variant("fails", { steps: 1, batchSize: 1 }), data: { train, bad: "fail" } })).rejects.toThrow("conversation mute: no answer; mend or remove it");
  });

  it("cuts conversations that are too long, leaves them out, or ends the run, as asked", async () => {
    const run = (name: string, longConversations: "cut" | "skip" | "fail", maxTokens: number): Promise<FinetuneEvent[]> => eventsOf(variant(name, { data: { train: settings.data.train, maxTokens, longConversations }, steps: 1, batchSize: 2, export: [] }));
    expect((await run("cut", "cut", 84)).find(({ type }) => type === "data-read")).toMatchObject({ trainPairs: 4, cutCaptions: 4 });
    await expect(run("long", "fail", 84)).rejects.toThrow("expected at most 84 places");
    await expect(run("skipped", "skip", 84)).rejects.toThrow("none of the 4 conversations can be learnt from");
  });

  it("says what does not fit before it trains", async () => {
    const expectRefused = (name: string, changes: Partial<AlignSettings>, message: string | RegExp): Promise<void> => expect(eventsOf(variant(name, changes))).rejects.toThrow(message);
    await expectRefused("big", { batchSize: 9 }, "expected a batchSize of at most 4, as many conversations as there are, got 9");
    await expectRefused("none", { data: { train: path.join(folder, "no-such.jsonl") } }, "no-such.jsonl");
    await expectRefused("swapped", { model: { mmproj: mini.decoder, decoder: mini.mmproj } }, "mmproj and decoder are swapped");
    for (const [family, message] of [["linear", "whose prompt is one block (PaliGemma)"], ["lfm2", "takes pictures of any resolution"], ["onevision", "joined from tiles"]] as const) {
      const mmproj = path.join(folder, `mmproj-${family}.gguf`);
      await writeSeededMmproj(mmproj, family);
      await expectRefused(family, { model: { mmproj, decoder: mini.decoder }, projector: {} }, message);
    }
    const narrow = path.join(folder, "narrow.gguf");
    await writeTinyDecoder(narrow, "qwen2");
    await expectRefused("narrow", { model: { mmproj: mini.mmproj, decoder: narrow }, projector: {} }, 'the projector gives rows of width 192');
    const unknown = path.join(folder, "unknown.gguf");
    await writeTinyDecoder(unknown, "qwen2", (metadata) => void metadata.set("general.architecture", { type: "string", value: "mamba" }));
    await expectRefused("unknown", { model: { mmproj: mini.mmproj, decoder: unknown } }, 'general.architecture is "mamba", a decoder that cannot be trained; known: gemma3, llama, qwen2, qwen3');
  });

  it("names the nearest key for one that it does not know, and what a setting needs", async () => {
    const refused = (changes: object, message: string): Promise<void> => expect(eventsOf({ ...settings, ...changes } as AlignSettings)).rejects.toThrow(message);
    await refused({ train: { projector: true } }, 'unknown key "train"; did you mean "trains"?');
    await refused({ trains: { decoder: { lora: { ranks: 3 } } } }, 'ranks');
    await refused({ stage: "allign" }, 'stage: expected "contrastive" or "align", got "allign"');
    await refused({ trains: { projector: false } }, "expected something to be trained");
    await refused({ export: ["adapter"] }, '"adapter" needs trains.decoder.lora');
    await refused({ epochs: 1 }, "expected steps or epochs, one of them");
    await refused({ data: { train: settings.data.train }, checkpoints: { best: "loss" } }, "checkpoints.best needs data.validation");
  });
});

describe("a decoder as transformers has it", () => {
  it("is trained with its own tokenizer, and written back with what it learnt", async () => {
    const decoder = path.join(folder, "hf");
    await mkdir(decoder);
    await writeMiniCheckpoint(mini.decoder, decoder);
    // float32 of the same float16 weights, read by the same template: what the GGUF gives, this gives.
    const still = { projector: {}, steps: 1, optimizer: { learningRate: 1e-12 }, evaluate: { everySteps: 1 } };
    const ofGguf = evaluations(await eventsOf(variant("of-gguf", { ...still, export: [] })))[0]?.metrics["loss"] as number;
    const run = variant("of-hf", { ...still, model: { mmproj: mini.mmproj, decoder }, trains: { decoder: { lora: { rank: 2 } } } });
    const events = await eventsOf(run);
    expect(evaluations(events)[0]?.metrics["loss"]).toBeCloseTo(ofGguf, 4);
    expect(events.filter(({ type }) => type === "exported")).toMatchObject([{ format: "mmproj" }, { format: "decoder", path: path.join(run.out, "decoder") }]);
    await cp(path.join(run.out, "decoder"), path.join(folder, "again"), { recursive: true });
    const again = evaluations(await eventsOf(variant("again-run", { ...still, model: { mmproj: path.join(run.out, "mmproj.gguf"), decoder: path.join(folder, "again") }, export: [] })))[0]?.metrics["loss"];
    expect(again).toBeCloseTo(ofGguf, 3);
    await expect(eventsOf(variant("of-hf-model", { ...still, model: { mmproj: mini.mmproj, decoder }, export: ["model"] }))).rejects.toThrow('"model" needs a decoder that a chat can open, a GGUF');
  }, 180_000);
});
