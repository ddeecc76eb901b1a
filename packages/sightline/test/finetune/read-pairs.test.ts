import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import type { BadPair, ImageTextPair } from "@sightline/contrastive";
import { ByteWriter, parquetWrite } from "hyparquet-writer";
import { pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { readPairs, SightlineError } from "../../src/index.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sightline-pairs-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const bytes = Uint8Array.of(0xff, 0xd8, 0xff, 0x80);

async function read(source: string): Promise<{ pairs: ImageTextPair[]; bad: BadPair[] }> {
  const bad: BadPair[] = [];
  const pairs: ImageTextPair[] = [];
  for await (const pair of readPairs(source, { onBad: (entry) => bad.push(entry) })) pairs.push({ ...pair, image: pair.image instanceof Uint8Array ? Uint8Array.from(pair.image) : pair.image });
  return { pairs, bad };
}

async function written(name: string, content: string | Uint8Array): Promise<string> {
  const file = path.join(folder, name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, content);
  return file;
}

describe("readPairs", () => {
  it("reads a WebDataset shard", async () => {
    const archive = pack();
    for (const [name, content] of [["a/1.jpg", bytes], ["a/1.txt", "a cat"], ["a/2.jpg", bytes], ["a/._2.txt", "junk"]] as const) archive.entry({ name }, Buffer.from(content as never));
    archive.finalize();
    const file = path.join(folder, "shard-000.tar");
    await pipeline(archive, createWriteStream(file));
    expect(await read(file)).toEqual({ pairs: [{ id: "a/1", image: bytes, captions: ["a cat"] }], bad: [{ id: "a/2", reason: "no caption" }] });
  });

  it("reads parquet with image bytes and with paths, over several row groups", async () => {
    const writer = new ByteWriter();
    parquetWrite({
      writer,
      rowGroupSize: 2,
      columnData: [
        { name: "image", data: [bytes, bytes, bytes], type: "BYTE_ARRAY" },
        { name: "caption", data: ["a", "", "c"], type: "STRING" },
      ],
    });
    const withBytes = await written("bytes.parquet", writer.getBytes());
    expect(await read(withBytes)).toEqual({
      pairs: [{ id: "bytes.parquet:0", image: bytes, captions: ["a"] }, { id: "bytes.parquet:2", image: bytes, captions: ["c"] }],
      bad: [{ id: "bytes.parquet:1", reason: "no caption" }],
    });

    const paths = new ByteWriter();
    parquetWrite({ writer: paths, columnData: [{ name: "file_name", data: ["x.jpg"], type: "STRING" }, { name: "text", data: ["x"], type: "STRING" }, { name: "id", data: [7n], type: "INT64" }] });
    expect((await read(await written("paths.parquet", paths.getBytes()))).pairs).toEqual([{ id: "7", image: path.join(folder, "x.jpg"), captions: ["x"] }]);
  });

  it("reads folders, JSON lines and caption files by what they are", async () => {
    await written("art/a.png", bytes);
    await written("art/a.txt", "a cat");
    expect((await read(path.join(folder, "art"))).pairs.map(({ captions }) => captions)).toEqual([["a cat"]]);
    expect((await read(await written("t.jsonl", '{"image": "a.png", "caption": "x"}'))).pairs.map(({ image }) => image)).toEqual([path.join(folder, "a.png")]);
    const coco = await written("coco.json", '{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"image_id": 1, "caption": "x"}]}');
    expect((await read(coco)).pairs).toEqual([{ id: "1", image: path.join(folder, "a.png"), captions: ["x"] }]);
    const karpathy = await written("karpathy.json", '{"images": [{"filename": "a.png", "cocoid": 5, "split": "train", "sentences": [{"raw": "y"}]}]}');
    expect((await read(karpathy)).pairs).toEqual([{ id: "5", image: path.join(folder, "a.png"), captions: ["y"] }]);
  });

  it.each([
    ["nowhere.jsonl", undefined, "no such file or folder"],
    ["pairs.xml", "<x/>", "expected a folder, .csv, .tsv, .jsonl"],
    ["broken.parquet", "PAR1", "cannot be read"],
  ])("refuses %s", async (name, content, message) => {
    const file = content === undefined ? path.join(folder, name) : await written(name, content);
    const reading = read(file);
    await expect(reading).rejects.toThrow(SightlineError);
    await expect(reading).rejects.toThrow(message);
  });
});
