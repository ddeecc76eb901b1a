import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import {
  BadPairCount,
  readCocoPairs,
  readFolderPairs,
  readJsonlPairs,
  readKarpathyPairs,
  rowPairs,
  TrainingError,
  webDatasetPairs,
  type BadPair,
  type ImageTextPair,
  type ShardMember,
} from "../../src/index.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sightline-data-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function write(name: string, content: string): Promise<string> {
  const file = path.join(folder, name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, content);
  return file;
}

async function read(reader: (onBad: (bad: BadPair) => void) => AsyncIterable<ImageTextPair>): Promise<{ pairs: ImageTextPair[]; bad: BadPair[] }> {
  const bad: BadPair[] = [];
  const pairs: ImageTextPair[] = [];
  for await (const pair of reader((entry) => bad.push(entry))) pairs.push(pair);
  return { pairs, bad };
}

describe("readJsonlPairs", () => {
  it("reads pairs in order, paths from the file's folder, and says what it left out", async () => {
    const lines = [
      '\uFEFF{"image": "a.jpg", "caption": " a cat "}',
      "",
      '{"file_name": "sub/b.png", "captions": ["two dogs", "", "dogs"], "id": 7}',
      '{"image": "c.jpg"}',
      "{broken",
      "[1]",
      '{"caption": "no picture"}',
      '{"image": "https://example.org/d.jpg", "caption": "far away"}',
      '{"image": "/abs/e.jpg", "text": "a hat"}',
    ];
    const file = await write("train.jsonl", lines.join("\r\n"));
    const { pairs, bad } = await read((onBad) => readJsonlPairs(file, { onBad }));
    expect(pairs).toEqual([
      { id: "train.jsonl:1", image: path.join(folder, "a.jpg"), captions: ["a cat"] },
      { id: "7", image: path.join(folder, "sub/b.png"), captions: ["two dogs", "dogs"] },
      { id: "train.jsonl:9", image: path.resolve("/abs/e.jpg"), captions: ["a hat"] },
    ]);
    expect(bad).toEqual([
      { id: "train.jsonl:4", reason: "no caption" },
      { id: "train.jsonl:5", reason: "not a JSON object" },
      { id: "train.jsonl:6", reason: "not a JSON object" },
      { id: "train.jsonl:7", reason: "no image" },
      { id: "train.jsonl:8", reason: "image is a URL, which is not fetched" },
    ]);
  });

  it("takes other columns and another root", async () => {
    const file = await write("other.jsonl", '{"photo": "a.jpg", "says": "x", "n": 3, "caption": "not this"}\n');
    const { pairs } = await read((onBad) => readJsonlPairs(file, { onBad, imageRoot: "/data", fields: { image: "photo", caption: "says", id: "n" } }));
    expect(pairs).toEqual([{ id: "3", image: path.resolve("/data/a.jpg"), captions: ["x"] }]);
  });

  it("names a file that is not there", async () => {
    const missing = path.join(folder, "missing.jsonl");
    await expect(read((onBad) => readJsonlPairs(missing, { onBad }))).rejects.toThrow(`readJsonlPairs: cannot read ${missing}: ENOENT`);
  });

  it("can be left early", async () => {
    const file = await write("many.jsonl", Array.from({ length: 5000 }, (_, i) => `{"image": "${i}.jpg", "caption": "x"}`).join("\n"));
    for await (const { id } of readJsonlPairs(file, { onBad: () => undefined })) {
      expect(id).toBe("many.jsonl:1");
      break;
    }
  });

  it("gives or reports every line of any file, and never throws", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(fc.json(), fc.string(), fc.record({ image: fc.string(), caption: fc.string() }).map((row) => JSON.stringify(row)))), async (values) => {
        // Line breaks of any kind would make two lines of one.
        const lines = values.map((value) => value.replace(/[\r\n\u2028\u2029\uFEFF]/g, " "));
        const file = await write("any.jsonl", lines.join("\n"));
        const { pairs, bad } = await read((onBad) => readJsonlPairs(file, { onBad }));
        expect(pairs.length + bad.length).toBe(lines.filter((line) => line.trim() !== "").length);
      }),
      { numRuns: 50 },
    );
  });
});

describe("rowPairs", () => {
  it("takes images as bytes, as Hugging Face's tables hold them", async () => {
    const bytes = Uint8Array.of(1, 2);
    const rows: [string, Record<string, unknown>][] = [
      ["row 0", { image: bytes, text: "a" }],
      ["row 1", { image: { bytes, path: "b.jpg" }, text: "b", key: "second" }],
      ["row 2", { image: { bytes: null, path: "c.jpg" }, text: "c", id: 12n }],
      ["row 3", { image: { bytes: new Uint8Array(), path: null }, text: "d" }],
      ["row 4", { image: 5, text: "e" }],
    ];
    const { pairs, bad } = await read((onBad) => rowPairs(rows, { onBad, imageRoot: "/data" }));
    expect(pairs).toEqual([
      { id: "row 0", image: bytes, captions: ["a"] },
      { id: "second", image: bytes, captions: ["b"] },
      { id: "12", image: path.resolve("/data/c.jpg"), captions: ["c"] },
    ]);
    expect(bad).toEqual([{ id: "row 3", reason: "no image" }, { id: "row 4", reason: "no image" }]);
  });
});

describe("readFolderPairs", () => {
  it("pairs images with the texts beside them, a caption on each line, in the order of their names", async () => {
    for (const name of ["art/b.PNG", "art/a.jpg", "art/sub/c.webp", "art/lonely.jpg", "art/empty.jpg", "art/.hidden/d.jpg"]) await write(name, "");
    await write("art/a.txt", "\uFEFFa cat\r\n\r\nthe same cat\n");
    await write("art/b.txt", "a dog");
    await write("art/sub/c.txt", "a tree");
    await write("art/empty.txt", "\n");
    await write("art/notes.txt", "nothing");
    const root = path.join(folder, "art");
    const { pairs, bad } = await read((onBad) => readFolderPairs(root, { onBad }));
    expect(pairs).toEqual([
      { id: "a.jpg", image: path.join(root, "a.jpg"), captions: ["a cat", "the same cat"] },
      { id: "b.PNG", image: path.join(root, "b.PNG"), captions: ["a dog"] },
      { id: path.join("sub", "c.webp"), image: path.join(root, "sub", "c.webp"), captions: ["a tree"] },
    ]);
    expect(bad).toEqual([{ id: "empty.jpg", reason: "no caption" }, { id: "lonely.jpg", reason: "no caption" }, { id: "notes.txt", reason: "no image" }]);
  });

  it("names a folder that is not there", async () => {
    await expect(read((onBad) => readFolderPairs(path.join(folder, "nowhere"), { onBad }))).rejects.toThrow(TrainingError);
  });
});

describe("readCocoPairs", () => {
  it("gathers an image's captions", async () => {
    const file = await write("captions.json", JSON.stringify({
      images: [{ id: 9, file_name: "9.jpg" }, { id: 4, file_name: "4.jpg" }, { id: 5 }],
      annotations: [{ image_id: 4, caption: "a" }, { image_id: 9, caption: "b" }, { image_id: 4, caption: "c\n" }, { image_id: 5, caption: "d" }, { image_id: 77, caption: "e" }],
    }));
    const { pairs, bad } = await read((onBad) => readCocoPairs(file, { onBad, imageRoot: "/coco" }));
    expect(pairs).toEqual([{ id: "9", image: path.resolve("/coco/9.jpg"), captions: ["b"] }, { id: "4", image: path.resolve("/coco/4.jpg"), captions: ["a", "c"] }]);
    expect(bad).toEqual([{ id: "5", reason: "no image" }, { id: "77", reason: "captions of an image that the file does not list" }]);
  });

  it.each([["{}", 'expected a list "images"'], ["{", "as JSON"], ['{"images": []}', 'expected a list "annotations"'], ["null", 'expected a list "images"']])("refuses %s", async (content, message) => {
    const file = await write("bad.json", content);
    await expect(read((onBad) => readCocoPairs(file, { onBad }))).rejects.toThrow(message);
  });
});

describe("readKarpathyPairs", () => {
  it("reads the splits that are trained on, or others", async () => {
    const image = (split: string, id: number): object => ({ filepath: "val2014", filename: `${id}.jpg`, cocoid: id, split, sentences: [{ raw: `caption ${id}` }, { raw: "" }] });
    const file = await write("dataset_coco.json", JSON.stringify({ images: [image("test", 1), image("train", 2), image("restval", 3), { filename: "4.jpg", split: "train", sentences: [] }] }));
    const { pairs, bad } = await read((onBad) => readKarpathyPairs(file, { onBad, imageRoot: "/coco" }));
    expect(pairs).toEqual([2, 3].map((id) => ({ id: String(id), image: path.resolve(`/coco/val2014/${id}.jpg`), captions: [`caption ${id}`] })));
    expect(bad).toEqual([{ id: "4.jpg", reason: "no caption" }]);
    expect((await read((onBad) => readKarpathyPairs(file, { onBad, splits: ["test"] }))).pairs.map(({ id }) => id)).toEqual(["1"]);
    await expect(read((onBad) => readKarpathyPairs(file, { onBad, splits: ["val"] }))).rejects.toThrow("expected images of the splits val");
  });
});

describe("webDatasetPairs", () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const member = (name: string, text: string): ShardMember => ({ name, bytes: bytes(text) });

  it("groups members by the name up to the first dot", async () => {
    const members = [
      member("shard/0001.jpg", "A"),
      member("shard/0001.txt", "a cat\n"),
      member("shard/0001.cls", "5"),
      member("shard/0002.json", '{"caption": ["a dog", "dogs"], "id": "other"}'),
      member("shard/0002.seg.png", "mask"),
      member("shard/0002.PNG", "B"),
      member("shard/0003.jpg", "C"),
      member("shard/0004.txt", "no picture"),
      { name: "shard/0005.jpg", bytes: undefined },
      member("shard/0005.txt", "large"),
      member("shard/0006.jpg", "D"),
      member("shard/0006.json", "{"),
      member("README", "x"),
    ];
    const { pairs, bad } = await read((onBad) => webDatasetPairs(members, { onBad }));
    expect(pairs).toEqual([
      { id: "shard/0001", image: bytes("A"), captions: ["a cat"] },
      { id: "shard/0002", image: bytes("B"), captions: ["a dog", "dogs"] },
    ]);
    expect(bad).toEqual([
      { id: "shard/0003", reason: "no caption" },
      { id: "shard/0004", reason: "no image" },
      { id: "shard/0005", reason: "image empty or too large" },
      { id: "shard/0006", reason: "not a JSON object" },
    ]);
  });
});

describe("BadPairCount", () => {
  it("counts by reason and shows the first of each, the most frequent first", () => {
    const count = new BadPairCount(2);
    for (const id of ["a", "b", "c"]) count.add({ id, reason: "no caption" });
    count.add({ id: "d", reason: "no image" });
    expect(count.total).toBe(4);
    expect(count.report()).toEqual(["3 x no caption: a, b, …", "1 x no image: d"]);
  });
});
