import { createWriteStream } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { evaluate, findTask, tasks, type Results, type Sample } from "@sightline/evals";
import sharp from "sharp";
import { pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeParquet } from "./parquet-fixture.js";

/** Every task's reader on five samples in the format in which the set is published, made here. */
const scenes = fileURLToPath(new URL("../data/emoji-scenes/", import.meta.url));
let root: string;
let pictures: Uint8Array[];
let captions: string[];
beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), "sightline-tasks-"));
  const rows = (await readFile(path.join(scenes, "scenes.jsonl"), "utf8")).split("\n").slice(0, 5).map((line) => JSON.parse(line) as { readonly file: string; readonly caption: string });
  pictures = await Promise.all(rows.map(async ({ file }) => new Uint8Array(await readFile(path.join(scenes, file)))));
  captions = rows.map(({ caption }) => caption);
});
afterAll(() => rm(root, { recursive: true, force: true }));

const five = [0, 1, 2, 3, 4] as const;
const each = <T>(of: (i: number) => T): T[] => five.map(of);
const images = (): readonly ["image", readonly unknown[]] => ["image", pictures.map((bytes, i) => ({ bytes, path: `${i}.png` }))];
const references = (i: number): string[] => [captions[i] as string, `Another caption of picture ${i}.`];

async function samplesOf(name: string, from = path.join(root, name)): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  for await (const sample of findTask(name).read(from)) samples.push(sample);
  return samples;
}

/** Runs a task on its fixture with the given answers (its first references when left out), and checks that its pictures can be read. */
async function scored(name: string, answers?: readonly string[]): Promise<{ readonly samples: readonly Sample[]; readonly figures: Results["results"][string] }> {
  const samples = await samplesOf(name);
  for (const sample of samples) {
    const image = await sample.image();
    expect((await sharp(image as Uint8Array | string).metadata()).width).toBeGreaterThan(0);
  }
  const predictions = path.join(root, `${name}.predictions.json`);
  await writeFile(predictions, JSON.stringify(samples.map(({ id, references: right }, i) => ({ image_id: id, caption: answers?.[i] ?? right[0] }))));
  const out = path.join(root, `out-${name}`);
  await rm(out, { recursive: true, force: true });
  const { results } = await evaluate([name], { data: root, predictions, out });
  expect(results["n-samples"][name]?.effective).toBe(samples.length);
  return { samples, figures: results.results[name] ?? {} };
}

async function folder(name: string): Promise<string> {
  await mkdir(path.join(root, name, "data"), { recursive: true });
  return path.join(root, name);
}

async function cocoFile(name: string, file: string, extra: (i: number) => object = () => ({})): Promise<string> {
  const into = await folder(name);
  await Promise.all(pictures.map((bytes, i) => writeFile(path.join(into, `${i}.png`), bytes)));
  const annotations = each((i) => references(i).map((caption, k) => ({ id: 10 * i + k, image_id: 100 + i, caption }))).flat();
  await writeFile(path.join(into, file), JSON.stringify({ info: {}, licenses: [], images: each((i) => ({ id: 100 + i, file_name: `${i}.png`, ...extra(i) })), annotations }));
  return into;
}

async function karpathyFile(name: string, file: string): Promise<void> {
  const into = await folder(name);
  await mkdir(path.join(into, "val2014"), { recursive: true });
  await Promise.all(pictures.map((bytes, i) => writeFile(path.join(into, "val2014", `${i}.png`), bytes)));
  const list = each((i) => ({ filepath: "val2014", filename: `${i}.png`, imgid: i, cocoid: 100 + i, split: "test", sentids: [2 * i, 2 * i + 1], sentences: references(i).map((raw) => ({ raw, tokens: raw.split(" ") })) }));
  await writeFile(path.join(into, file), JSON.stringify({ dataset: "coco", images: [...list, { ...list[0], cocoid: 999, split: "train" }] }));
}

describe("captioning tasks", () => {
  it("coco-karpathy reads Karpathy's JSON, its test split only, and scores raw sentences", async () => {
    await karpathyFile("coco-karpathy", "dataset_coco.json");
    const { samples, figures } = await scored("coco-karpathy");
    expect(samples.map(({ id }) => id)).toEqual(["100", "101", "102", "103", "104"]);
    expect(samples[0]?.prompt).toBe("Describe the image briefly.");
    expect(figures["bleu-4"]).toBeCloseTo(1, 6);
    expect(figures["cider"]).toBeGreaterThan(4);
  });

  it.each(["2014", "2017"])("coco%s-val reads COCO's JSON", async (year) => {
    await cocoFile(`coco${year}-val`, `captions_val${year}.json`);
    const { samples, figures } = await scored(`coco${year}-val`);
    expect(samples[4]).toMatchObject({ id: "104", prompt: "Provide a one-sentence caption for the provided image.", references: references(4) });
    expect(figures["rouge-l"]).toBeCloseTo(1, 9);
  });

  it("coco2017-val reads the hub's parquet", async () => {
    const into = path.join(root, "coco2017-val");
    await rm(into, { recursive: true, force: true });
    await writeParquet(path.join(await folder("coco2017-val"), "data", "val-00000-of-00001.parquet"), {
      question_id: ["text", each((i) => `${i}.jpg`)],
      id: ["number", each((i) => BigInt(100 + i))],
      image: images(),
      answer: ["texts", each(references)],
    });
    expect((await scored("coco2017-val")).samples.map(({ id }) => id)).toEqual(["100", "101", "102", "103", "104"]);
  });

  it("nocaps gives figures by domain", async () => {
    await cocoFile("nocaps", "nocaps_val_4500_captions.json", (i) => ({ domain: ["in-domain", "near-domain", "out-domain", "in-domain", "near-domain"][i] }));
    const { figures } = await scored("nocaps");
    expect(Object.keys(figures)).toEqual(expect.arrayContaining(["cider", "cider (in)", "cider (near)", "cider (out)"]));
    expect(figures["cider (out)"]).toBe(0);
    expect(figures["cider (in)"]).toBeGreaterThan(4);
  });

  it("flickr30k reads the CSV whose raw column holds JSON, test split only", async () => {
    const into = await folder("flickr30k");
    await Promise.all(pictures.map((bytes, i) => writeFile(path.join(into, `${i}.png`), bytes)));
    const cell = (value: string): string => `"${value.replaceAll('"', '""')}"`;
    const line = (i: number, split: string): string => [cell(JSON.stringify(references(i))), cell("[0, 1]"), split, `${i}.png`, split === "test" ? i : 77].join(",");
    await writeFile(path.join(into, "flickr_annotations_30k.csv"), ["raw,sentids,split,filename,img_id", ...each((i) => line(i, "test")), line(0, "train")].join("\n"));
    const { samples, figures } = await scored("flickr30k");
    expect(samples).toHaveLength(5);
    expect(samples[1]?.references).toEqual(references(1));
    expect(figures["bleu-1"]).toBeCloseTo(1, 6);
  });

  it("textcaps makes one sample of a picture's rows", async () => {
    await writeParquet(path.join(await folder("textcaps"), "data", "val-00000-of-00001.parquet"), {
      image_id: ["text", each((i) => (i === 4 ? "picture0" : `picture${i}`))],
      image: images(),
      caption_str: ["texts", each((i) => [captions[i]])],
      reference_strs: ["texts", each((i) => references(i === 4 ? 0 : i))],
    });
    const { samples } = await scored("textcaps");
    expect(samples.map(({ id }) => id)).toEqual(["picture0", "picture1", "picture2", "picture3"]);
    expect(samples[0]?.references).toEqual(references(0));
  });

  it("xm3600 reads JSON lines and pictures in a tar file, a sample a language", async () => {
    const into = await folder("xm3600");
    const tar = pack();
    pictures.forEach((bytes, i) => tar.entry({ name: `./images/${"deep/".repeat(25)}key${i}.jpg` }, Buffer.from(bytes)));
    tar.finalize();
    await pipeline(tar, createWriteStream(path.join(into, "images.tar")));
    const row = (i: number): object => ({ "image/key": `key${i}`, "image/locale": "en", en: { caption: references(i), "caption/tokenized": [] }, de: { caption: [`Ein Bild ${i} mit Dingen darauf.`] } });
    await writeFile(path.join(into, "captions.jsonl"), each((i) => JSON.stringify(row(i))).join("\n"));
    const { samples, figures } = await scored("xm3600");
    expect(samples).toHaveLength(10);
    expect(samples[1]).toMatchObject({ id: "key0:de", group: "de", prompt: "Provide a one-sentence caption for the provided image in German." });
    expect(figures["cider"]).toBeCloseTo(((figures["cider (en)"] ?? 0) + (figures["cider (de)"] ?? 0)) / 2, 9);
  });
});

describe("tasks of questions", () => {
  it("vqav2 compares with ten people's answers", async () => {
    const answers = each((i) => Array.from({ length: 10 }, (_, k) => ({ answer: k < 2 * i ? "two" : "cat", answer_confidence: "yes", answer_id: BigInt(k + 1) })));
    await writeParquet(path.join(await folder("vqav2"), "data", "validation-00000-of-00001.parquet"), { question_id: ["number", each((i) => BigInt(i))], question: ["text", each((i) => `How many, ${i}?`)], image: images(), answers: ["answers", answers], multiple_choice_answer: ["text", each(() => "cat")] });
    const { samples, figures } = await scored("vqav2", each(() => "2"));
    expect(samples[3]?.prompt).toBe("How many, 3?\nAnswer the question using a single word or phrase.");
    // 0, 2, 4, 6 and 8 of ten say two: 0, 0.6, 1, 1, 1.
    expect(figures["vqa-accuracy"]).toBeCloseTo((0 + 0.6 + 3) / 5, 9);
  });

  it("textvqa asks with a large first letter", async () => {
    await writeParquet(path.join(await folder("textvqa"), "data", "validation-00000-of-00001.parquet"), { image_id: ["text", each(String)], question_id: ["number", each((i) => BigInt(i))], question: ["text", each(() => "what is the Brand?")], image: images(), answers: ["texts", each(() => Array.from({ length: 10 }, () => "nokia"))] });
    const { samples, figures } = await scored("textvqa", ["Nokia", "nokia.", "the nokia", "sony", ""]);
    expect(samples[0]?.prompt).toBe("What is the brand?\nAnswer the question using a single word or phrase.");
    expect(figures["vqa-accuracy"]).toBeCloseTo(0.6, 9);
  });

  it("docvqa scores ANLS", async () => {
    await writeParquet(path.join(await folder("docvqa"), "data", "validation-00000-of-00001.parquet"), { questionId: ["text", each(String)], question: ["text", each(() => "What date?")], image: images(), answers: ["texts", each(() => ["hello", "hallo you"])] });
    const { figures } = await scored("docvqa", ["hello", "helo", "HELLO", "x", "hallo you"]);
    expect(figures["anls"]).toBeCloseTo((1 + 0.8 + 1 + 0 + 1) / 5, 9);
  });

  it("chartqa is relaxed about numbers, by kind of question", async () => {
    await writeParquet(path.join(await folder("chartqa"), "data", "test-00000-of-00001.parquet"), { type: ["text", ["human_test", "human_test", "augmented_test", "augmented_test", "augmented_test"]], question: ["text", each(() => "What value?")], answer: ["text", ["100", "Blue", "10", "5%", "3"]], image: images() });
    const { samples, figures } = await scored("chartqa", ["104", "blue", "10.6", "0.05", "3"]);
    expect(samples[0]?.prompt).toBe("What value?\nAnswer the question with a single word.");
    expect(figures).toEqual({ "relaxed-accuracy": 0.8, "relaxed-accuracy (human_test)": 1, "relaxed-accuracy (augmented_test)": expect.closeTo(2 / 3, 9) as number });
  });

  it("ai2d gives letters to choose", async () => {
    await writeParquet(path.join(await folder("ai2d"), "data", "test-00000-of-00001.parquet"), { question: ["text", each(() => "Which part?")], options: ["texts", each(() => ["leaf", "root", "stem", "flower"])], answer: ["text", each((i) => String(i % 4))], image: images() });
    const { samples, figures } = await scored("ai2d", ["A", "B.", "stem", "C", "(A)"]);
    expect(samples[0]?.prompt).toBe("Which part?\nA. leaf\nB. root\nC. stem\nD. flower\nAnswer with the option's letter from the given choices directly.");
    expect(figures["accuracy"]).toBeCloseTo(0.8, 9);
  });

  it("pope counts yes and no", async () => {
    await writeParquet(path.join(await folder("pope"), "data", "test-00000-of-00001.parquet"), { id: ["text", each(String)], question_id: ["text", each(String)], question: ["text", each(() => "Is there a dog in the image?")], answer: ["text", ["yes", "no", "yes", "no", "yes"]], image_source: ["text", each(String)], category: ["text", ["random", "random", "popular", "popular", "adversarial"]], image: images() });
    const { samples, figures } = await scored("pope", ["Yes", "Yes", "No", "No", "Yes"]);
    expect(samples[2]?.id).toBe("popular:2");
    expect(figures).toMatchObject({ accuracy: 0.6, precision: expect.closeTo(2 / 3, 9) as number, recall: expect.closeTo(2 / 3, 9) as number, "yes-share": 0.6 });
  });

  it("mme gives acc and acc+, two questions a picture", async () => {
    await writeParquet(path.join(await folder("mme"), "data", "test-00000-of-00001.parquet"), { question_id: ["text", ["a.png", "a.png", "b.png", "b.png", "c.png"]], question: ["text", each(() => "Is it red? Please answer yes or no.")], answer: ["text", ["Yes", "No", "Yes", "No", "Yes"]], category: ["text", ["color", "color", "color", "color", "code_reasoning"]], image: images() });
    const { samples, figures } = await scored("mme", ["Yes", "No", "Yes", "Yes", "Yes"]);
    expect(samples[0]?.prompt).toBe("Is it red?\nAnswer the question using a single word or phrase.");
    expect(figures).toEqual({ perception: 125, cognition: 200, "score (color)": 125, "score (code_reasoning)": 200 });
  });

  it("mmbench reads the hub's parquet", async () => {
    await writeParquet(path.join(await folder("mmbench"), "data", "dev-00000-of-00001.parquet"), { index: ["number", each((i) => BigInt(i))], question: ["text", each(() => "What is it?")], hint: ["text", ["Look up.", null, null, null, null]], answer: ["text", ["A", "B", "A", "B", "A"]], A: ["text", each(() => "cat")], B: ["text", each(() => "dog")], C: ["text", each((i) => (i === 0 ? "cow" : null))], D: ["text", each(() => null)], category: ["text", each(() => "animals")], image: images() });
    const { samples, figures } = await scored("mmbench", ["A", "b", "cat", "A", "nothing"]);
    expect(samples[0]?.prompt).toBe("Look up. What is it?\nA. cat\nB. dog\nC. cow\nAnswer with the option's letter from the given choices directly.");
    expect(samples[1]?.options).toEqual(["cat", "dog"]);
    expect(figures["accuracy"]).toBeCloseTo(0.6, 9);
  });

  it("mmbench reads the published TSV, whose pictures are base64", async () => {
    const into = path.join(root, "mmbench");
    await rm(into, { recursive: true, force: true });
    const line = (i: number): string => [i, `What is ${i}?`, "", "A", "cat", "dog", "", "", "animals", Buffer.from(pictures[i] ?? []).toString("base64")].join("\t");
    await writeFile(path.join(await folder("mmbench"), "mmbench_dev_en.tsv"), ["index\tquestion\thint\tanswer\tA\tB\tC\tD\tcategory\timage", ...each(line)].join("\n"));
    expect((await scored("mmbench")).figures["accuracy"]).toBe(1);
  });
});

describe("tasks of embeddings, with mini's SigLIP", () => {
  it("imagenet-zeroshot names classes of folders", async () => {
    const into = await folder("imagenet-zeroshot");
    const names = ["snake", "door"];
    for (const [i, name] of names.entries()) {
      await mkdir(path.join(into, "val", `n0${i}`), { recursive: true });
      await writeFile(path.join(into, "val", `n0${i}`, `${name}.png`), pictures[i] ?? "");
    }
    await writeFile(path.join(into, "classnames.txt"), `${names.join("\n")}\nairplane\n`);
    const { results } = await evaluate(["imagenet-zeroshot"], { model: "mini", data: root, out: path.join(root, "out-imagenet") });
    expect(results.results["imagenet-zeroshot"]).toMatchObject({ top5: 1 });
    expect(results.results["imagenet-zeroshot"]?.["top1"]).toBeGreaterThanOrEqual(0.5);
  });

  it("imagenet-zeroshot reads the hub's parquet", async () => {
    await rm(path.join(root, "imagenet-zeroshot", "val"), { recursive: true });
    await writeParquet(path.join(root, "imagenet-zeroshot", "data", "validation-00000-of-00001.parquet"), { image: images(), label: ["number", each((i) => BigInt(i % 2))] });
    expect((await samplesOf("imagenet-zeroshot")).map(({ references: right }) => right[0])).toEqual(["0", "1", "0", "1", "0"]);
  });

  it.each(["coco-retrieval", "flickr30k-retrieval"])("%s gives recall both ways", async (name) => {
    await karpathyFile(name, name.startsWith("coco") ? "dataset_coco.json" : "dataset_flickr30k.json");
    const { results } = await evaluate([name], { model: "mini", data: root, out: path.join(root, `out-${name}`), batchSize: 2 });
    const figures = results.results[name] ?? {};
    expect(Object.keys(figures)).toEqual(["image-to-text R@1", "image-to-text R@5", "image-to-text R@10", "text-to-image R@1", "text-to-image R@5", "text-to-image R@10", "ece"]);
    expect(figures["image-to-text R@10"]).toBe(1);
    expect(figures["ece"]).toBeGreaterThan(0);
    expect(figures["ece"]).toBeLessThan(0.5);
    expect(figures["image-to-text R@1"]).toBeGreaterThanOrEqual(0.4);
    // Half of the texts are "Another caption of picture N.", which says nothing.
    expect(figures["text-to-image R@1"]).toBeGreaterThanOrEqual(0.3);
  });
});

describe("tasks in general", () => {
  it("are each in this file or in the runner's", async () => {
    const text = (await readFile(fileURLToPath(import.meta.url), "utf8")) + (await readFile(new URL("runner.test.ts", import.meta.url), "utf8"));
    expect(tasks.filter(({ name }) => !text.includes(`"${name}"`)).map(({ name }) => name).filter((name) => !["coco2014-val"].includes(name))).toEqual([]);
    expect(tasks).toHaveLength(20);
  });

  it("say in one line which file is missing, what to fetch and where to put it", async () => {
    for (const { name, data } of tasks) {
      if (!data) continue;
      const where = path.join(root, "empty", name);
      await mkdir(where, { recursive: true });
      const failure = evaluate([name], { model: "mini", data: path.join(root, "empty"), limit: 1, predictions: path.join(scenes, "nothing.json"), out: path.join(root, "out-empty") });
      await expect(failure).rejects.toThrow(/nothing.json cannot be read/);
      const error = await samplesOf(name, where).then(() => undefined, (reason: Error) => reason);
      expect(error?.message.split("\n")).toHaveLength(1);
      expect(error).toMatchObject({ code: "data-missing", message: expect.stringMatching(/expected .*; fetch/) as string });
    }
  });

  it("say which file is damaged", async () => {
    const into = await folder("docvqa");
    for (const file of await readdir(path.join(into, "data"))) await rm(path.join(into, "data", file));
    await writeFile(path.join(into, "data", "validation-00000-of-00001.parquet"), "no parquet");
    await expect(samplesOf("docvqa")).rejects.toMatchObject({ code: "data-changed" });
    await copyFile(path.join(scenes, "scenes.jsonl"), path.join(into, "val_v1.0.json"));
    await rm(path.join(into, "data"), { recursive: true });
    await expect(samplesOf("docvqa")).rejects.toThrow(/val_v1.0.json cannot be read/);
  });
});
