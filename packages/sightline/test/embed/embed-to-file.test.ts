import { appendFile, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { embedToFile, type EmbedToFileOptions } from "../../src/embed/embed-to-file.js";
import type { TextInput, TextTower } from "../../src/embed/embed-inputs.js";
import { SightlineError } from "../../src/sightline-error.js";
import { temporaryFolder } from "../command.js";
import { readJsonLines, readNpy, readParquet, readParquetNote } from "./read-embeddings.js";

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

let outputs = 0;
function freshOut(extension = "npy"): string {
  return path.join(folder, `out-${outputs++}.${extension}`);
}

/** Texts to (length, 1, weight), as a model with that weight would; notes what it is asked. */
function tower(asked: string[] = [], weight = 0.5): TextTower {
  return {
    encodeTexts: async (texts) => {
      asked.push(...texts);
      return Float32Array.from(texts.flatMap((text) => [text.length, 1, weight]));
    },
  };
}

function numbered(count: number): TextInput[] {
  return Array.from({ length: count }, (_, i) => ({ key: `k${i}`, path: `p${i}`, text: "x".repeat(i + 1) }));
}

const bad = (at: number): TextInput => ({ key: `bad${at}`, path: `bad${at}`, error: new SightlineError("bad-input", `number ${at} is no text`) });

/** Embeds until `stopAfter` batches are written down, and stops as Ctrl-C would. */
async function stopped(out: string, texts: readonly TextInput[], stopAfter: number, options: Partial<EmbedToFileOptions> = {}): Promise<void> {
  const controller = new AbortController();
  let batches = 0;
  const onProgress = (): void => {
    if (++batches === stopAfter) controller.abort(new Error("stopped"));
  };
  await expect(embedToFile({ tower: tower(), texts }, { out, batch: 4, signal: controller.signal, onProgress, ...options })).rejects.toThrow("stopped");
}

describe("embedToFile", () => {
  it("writes every row, in order, to parquet and to npy, and removes what it kept meanwhile", async () => {
    for (const out of [freshOut("parquet"), freshOut("npy")]) {
      const summary = await embedToFile({ tower: tower(), texts: numbered(11) }, { out, normalize: false, batch: 4, metadata: { model: "test" } });
      expect(summary).toMatchObject({ images: 11, embedded: 11, skipped: 0, duplicates: 0, errors: [], out, width: 3 });
      const rows = out.endsWith("npy") ? await readNpy(out) : await readParquet(out);
      expect(rows.map(({ key, path, text, embedding }) => ({ key, path, text, embedding: [...embedding] }))).toEqual(
        numbered(11).map((input, i) => ({ ...input, embedding: [i + 1, 1, 0.5] })),
      );
      expect(out.endsWith("parquet") ? await readParquetNote(out) : JSON.parse(await readFile(`${out}.about.json`, "utf8"))).toEqual({ model: "test", normalized: false, width: 3 });
      expect((await readdir(folder)).filter((name) => name.startsWith(path.basename(out)))).toEqual(
        out.endsWith("npy") ? ["", ".about.json", ".keys.jsonl"].map((end) => path.basename(out) + end) : [path.basename(out)],
      );
    }
  });

  it("gives unit embeddings unless told otherwise", async () => {
    const out = freshOut();
    await embedToFile({ tower: tower(), texts: numbered(3) }, { out });
    for (const { embedding } of await readNpy(out)) expect(Math.hypot(...embedding)).toBeCloseTo(1, 6);
  });

  it("writes more rows than one row group holds", async () => {
    const out = freshOut("parquet");
    const wide: TextTower = { encodeTexts: async (texts) => Float32Array.from({ length: texts.length * 2 ** 18 }, (_, i) => Math.floor(i / 2 ** 18) + (texts[0]?.length ?? 0)) };
    await embedToFile({ tower: wide, texts: numbered(9) }, { out, batch: 3, normalize: false });
    const rows = await readParquet(out);
    expect(rows.map(({ key, embedding }) => [key, embedding.length, embedding[0], embedding.at(-1)])).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8, 9].map((value, i) => [`k${i}`, 2 ** 18, value, value]),
    );
  });

  it("lists what failed beside the output, and embeds a path that comes twice once", async () => {
    const out = freshOut();
    const texts = [bad(0), ...numbered(5), bad(1), ...numbered(6)];
    const summary = await embedToFile({ tower: tower(), texts }, { out, batch: 2 });
    expect(summary).toMatchObject({ images: 8, embedded: 6, skipped: 2, duplicates: 5, errorsFile: `${out}.errors.jsonl` });
    expect(summary.errors).toEqual([{ path: "bad0", error: "number 0 is no text" }, { path: "bad1", error: "number 1 is no text" }]);
    expect(await readJsonLines(`${out}.errors.jsonl`)).toEqual([0, 1].map((i) => ({ key: `bad${i}`, path: `bad${i}`, error: `number ${i} is no text` })));
    expect((await readNpy(out)).map(({ key }) => key)).toEqual(["k0", "k1", "k2", "k3", "k4", "k5"]);
  });

  it("refuses to find nothing, and leaves nothing behind", async () => {
    const out = freshOut();
    await expect(embedToFile({ tower: tower(), texts: [] }, { out })).rejects.toThrow("expected at least one text, got none");
    expect((await readdir(folder)).filter((name) => name.startsWith(path.basename(out)))).toEqual([]);
  });

  it("refuses an output that is there, unless it may replace it", async () => {
    const out = freshOut();
    await embedToFile({ tower: tower(), texts: [bad(0), ...numbered(2)] }, { out });
    for (const resume of [false, true]) await expect(embedToFile({ tower: tower(), texts: numbered(3) }, { out, resume })).rejects.toThrow(/is there already, and complete/);
    await embedToFile({ tower: tower(), texts: numbered(3) }, { out, overwrite: true });
    expect(await readNpy(out)).toHaveLength(3);
    await expect(stat(`${out}.errors.jsonl`)).rejects.toThrow("ENOENT");
  });

  it("refuses an output whose format it does not know", async () => {
    await expect(embedToFile({ tower: tower(), texts: [] }, { out: "a.csv" })).rejects.toThrow('expected an output named *.parquet or *.npy, got "a.csv"');
    await mkdir(path.join(folder, "folder.npy"));
    await expect(embedToFile({ tower: tower(), texts: [] }, { out: path.join(folder, "folder.npy") })).rejects.toThrow("is a folder");
  });
});

describe("embedToFile, stopped and resumed", () => {
  const texts = [...numbered(10), bad(0), ...numbered(30).slice(10)];

  it("gives byte for byte what it gives in one go, and embeds nothing twice", async () => {
    for (const extension of ["npy", "parquet"]) {
      const [whole, out] = [freshOut(extension), freshOut(extension)];
      await embedToFile({ tower: tower(), texts }, { out: whole, batch: 4 });
      await stopped(out, texts, 1);
      await stopped(out, texts, 3, { resume: true });
      const asked: string[] = [];
      const summary = await embedToFile({ tower: tower(asked), texts }, { out, batch: 4, resume: true });
      expect(summary).toMatchObject({ images: 31, embedded: 30, skipped: 1, duplicates: 0 });
      for (const end of ["", ".errors.jsonl", ...(extension === "npy" ? [".keys.jsonl"] : [])]) {
        expect(await readFile(out + end)).toEqual(await readFile(whole + end));
      }
      // The probe is one; of the 30, at least four batches were there.
      expect(asked.length - 1).toBeLessThanOrEqual(30 - 4 * 4);
      expect(new Set(asked).size).toBe(asked.length);
    }
  });

  it("drops a batch that a kill cut short anywhere", async () => {
    const whole = freshOut();
    await embedToFile({ tower: tower(), texts }, { out: whole, batch: 4 });
    const cuts: ((partial: string) => Promise<void>)[] = [
      (partial) => appendFile(path.join(partial, "embeddings.f32"), new Uint8Array(7)),
      (partial) => appendFile(path.join(partial, "embeddings.f32"), new Uint8Array(4 * 3 * 4)),
      (partial) => appendFile(path.join(partial, "batches.jsonl"), '{"rows":[{"key":"k9'),
      async (partial) => truncate(path.join(partial, "batches.jsonl"), (await stat(path.join(partial, "batches.jsonl"))).size - 5),
      (partial) => truncate(path.join(partial, "batches.jsonl"), 0),
      (partial) => writeFile(path.join(partial, "lock"), "999999999\n"),
      (partial) => writeFile(path.join(partial, "output"), "half an output"),
    ];
    for (const cut of cuts) {
      const out = freshOut();
      await stopped(out, texts, 3);
      await cut(`${out}.partial`);
      await embedToFile({ tower: tower(), texts }, { out, batch: 4, resume: true });
      expect(await readFile(out)).toEqual(await readFile(whole));
      expect(await readFile(`${out}.keys.jsonl`)).toEqual(await readFile(`${whole}.keys.jsonl`));
    }
  });

  it("says that there is a partial run when it is not told to resume, and keeps it", async () => {
    const out = freshOut();
    await stopped(out, texts, 2);
    await expect(embedToFile({ tower: tower(), texts }, { out, batch: 4 })).rejects.toThrow(/\.partial is what an earlier run got done; resume it \(--resume\), or remove the folder/);
    expect(await embedToFile({ tower: tower(), texts }, { out, batch: 4, resume: true })).toMatchObject({ embedded: 30 });
  });

  it("begins when there is nothing to resume", async () => {
    expect(await embedToFile({ tower: tower(), texts }, { out: freshOut(), resume: true })).toMatchObject({ embedded: 30 });
  });

  it.each<[string, Partial<EmbedToFileOptions>, TextTower, RegExp]>([
    ["another batch", { batch: 5 }, tower(), /batch was 4, and is 5 now/],
    ["raw embeddings", { normalize: false }, tower(), /normalize was true, and is false now/],
    ["another setting", { settings: { inputs: "b" } }, tower(), /inputs was "a", and is "b" now/],
    ["other weights", {}, tower([], 9), /the same input gives another embedding/],
    ["another width", {}, { encodeTexts: async (all) => new Float32Array(all.length * 2).fill(1) }, /embeddings of width 3, and gives 2 now/],
  ])("refuses to go on with %s, and keeps what there is", async (_, options, other, message) => {
    const out = freshOut();
    const begun = { settings: { inputs: "a" } };
    await stopped(out, texts, 2, begun);
    await expect(embedToFile({ tower: other, texts }, { out, batch: 4, resume: true, ...begun, ...options })).rejects.toThrow(message);
    expect(await embedToFile({ tower: tower(), texts }, { out, batch: 4, resume: true, ...begun })).toMatchObject({ embedded: 30 });
  });

  it("goes on where rounding differs a little, as it does with other threads", async () => {
    const out = freshOut();
    await stopped(out, texts, 2);
    expect(await embedToFile({ tower: tower([], 0.5001), texts }, { out, batch: 4, resume: true })).toMatchObject({ embedded: 30 });
  });

  it("embeds inputs that were added meanwhile", async () => {
    const out = freshOut();
    await stopped(out, texts, 2);
    await embedToFile({ tower: tower(), texts: [{ key: "new", path: "new", text: "new" }, ...texts] }, { out, batch: 4, resume: true });
    expect((await readNpy(out)).filter(({ key }) => key === "new")).toHaveLength(1);
    expect(await readNpy(out)).toHaveLength(31);
  });

  it("keeps what came before a failure that strict makes fatal", async () => {
    const out = freshOut();
    await expect(embedToFile({ tower: tower(), texts }, { out, batch: 4, strict: true })).rejects.toThrow("number 0 is no text");
    const asked: string[] = [];
    await embedToFile({ tower: tower(asked), texts: texts.filter((text) => !("error" in text)) }, { out, batch: 4, resume: true, strict: true });
    expect(asked.length - 1).toBe(30 - 8);
  });

  it("says which file of a partial run is damaged", async () => {
    for (const [damage, message] of [
      [(partial: string) => truncate(path.join(partial, "embeddings.f32"), 10), /embeddings\.f32 has 10 bytes/],
      [(partial: string) => writeFile(path.join(partial, "batches.jsonl"), "no json\n"), /line of batches\.jsonl that ends at byte 8 cannot be read/],
      [(partial: string) => writeFile(path.join(partial, "manifest.json"), "no json"), /its manifest\.json cannot be read/],
    ] as const) {
      const out = freshOut();
      await stopped(out, texts, 2);
      await damage(`${out}.partial`);
      await expect(embedToFile({ tower: tower(), texts }, { out, batch: 4, resume: true })).rejects.toThrow(message);
    }
  });

  it("keeps a second run out while one is writing", async () => {
    const out = freshOut();
    await stopped(out, texts, 2);
    // The process that runs the tests' worker is alive as long as the test.
    await writeFile(path.join(`${out}.partial`, "lock"), `${process.ppid}\n`);
    await expect(embedToFile({ tower: tower(), texts }, { out, batch: 4, resume: true })).rejects.toThrow(`process ${process.ppid} is writing`);
  });
});
