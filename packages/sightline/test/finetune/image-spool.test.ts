import { createWriteStream } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import fc from "fast-check";
import { pack } from "tar-stream";
import { describe, expect, it } from "vitest";
import { ImageSpool } from "../../src/finetune/image-spool.js";
import { readTrainingData } from "../../src/finetune/training-data.js";
import { openTrainingModel } from "../../src/finetune/training-model.js";
import { trainingPixels } from "../../src/finetune/training-pixels.js";
import { parseFinetuneConfig, type FinetuneConfig } from "../../src/index.js";
import { examples, tinyRun } from "./tiny-run.js";

describe("ImageSpool", () => {
  it("gives every image back, in any order, whether it stayed in memory or not", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 }), fc.nat(300), async (images, keepBytes) => {
        await using spool = new ImageSpool(keepBytes);
        const kept: Awaited<ReturnType<ImageSpool["keep"]>>[] = [];
        for (const image of images) kept.push(await spool.keep(image));
        const inMemory = kept.reduce((sum, image) => sum + (image instanceof Uint8Array ? image.length : 0), 0);
        expect(inMemory).toBeLessThanOrEqual(keepBytes);
        expect(inMemory + spool.fileBytes).toBe(images.reduce((sum, image) => sum + image.length, 0));
        for (const i of [...kept.keys()].reverse()) {
          const image = kept[i] as (typeof kept)[number];
          expect(typeof image === "function" ? await image() : image).toEqual(images[i]);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe("a shard whose pictures do not stay in memory", () => {
  it("gives the pixels of the files that it was made of", async () => {
    const { folder, settings } = await tinyRun();
    try {
      const names = ["scene.png", "crabs.png", "penguins.png"];
      const shard = path.join(folder, "shard-0.tar");
      const archive = pack();
      for (const name of names) {
        archive.entry({ name }, await readFile(path.join(examples, name)));
        archive.entry({ name: name.replace("png", "txt") }, `a picture of ${name}`);
      }
      archive.finalize();
      await pipeline(archive, createWriteStream(shard));
      const config = parseFinetuneConfig({ ...settings, data: { train: shard } }) as FinetuneConfig;
      await using model = await openTrainingModel(settings.model);
      await using spool = new ImageSpool(0);
      const { pairs } = await readTrainingData(config.data.train, config, model.tokenizer, spool);
      expect(pairs.map(({ captions }) => captions)).toEqual(names.map((name) => [`a picture of ${name}`]));
      expect(spool.fileBytes).toBeGreaterThan(1000);
      for (const [i, pair] of pairs.entries()) {
        const pixels = await trainingPixels(pair, model.vision);
        expect(pixels).toEqual(await trainingPixels({ ...pair, image: path.join(examples, names[i] as string) }, model.vision));
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
