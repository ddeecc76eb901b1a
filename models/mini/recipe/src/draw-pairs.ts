import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { Command } from "commander";
import sharp from "sharp";
import { heldOutStyles, trainStyles } from "./art/art-sets.js";
import { loadSprites } from "./art/sprites.js";
import { miniVision } from "./mini-config.js";
import { objectNames } from "./objects.js";
import { Random } from "./scenes/random.js";
import { SceneRenderer } from "./scenes/render-scene.js";
import { sampleFineTuningSingle } from "./scenes/scene.js";

const captions: readonly ((name: string) => string)[] = [(name) => name, (name) => `a ${name}`, (name) => `a photo of a ${name}`, (name) => `a picture of a ${name}`];

/** `draw-pairs FOLDER`: pictures of single objects with their captions, as a data set for fine-tuning and its evaluation. */
await new Command("draw-pairs")
  .argument("<folder>", "gets images/ and pairs.jsonl")
  .option("--styles <names>", "train, held-out, or styles by name with commas between", "train")
  .option("--count <n>", "pictures", Number, 2000)
  .option("--each <n>", "this many pictures of every name instead, with the bare name as caption", Number)
  .option("--seed <n>", "of the drawing", Number, 1)
  .action(async (folder: string, { styles, count, each, seed }: { styles: string; count: number; each?: number; seed: number }) => {
    const chosen = styles === "train" ? trainStyles : styles === "held-out" ? heldOutStyles : styles.split(",").map((name) => [...trainStyles, ...heldOutStyles].find((style) => style === name) ?? fail(name));
    const sprites = await loadSprites({ styles: chosen, names: objectNames });
    const renderer = new SceneRenderer(sprites);
    await mkdir(path.join(folder, "images"), { recursive: true });
    const lines = createWriteStream(path.join(folder, "pairs.jsonl"));
    const rng = Random.fromSeed(seed, 77);
    const side = miniVision.imageSize;
    const drawable = objectNames.filter((name) => chosen.some((style) => sprites.get(style, name) !== undefined));
    const total = each === undefined ? count : each * drawable.length;
    for (let i = 0; i < total; i++) {
      const names = each === undefined ? drawable : [drawable[Math.floor(i / each)] as string];
      const spec = sampleFineTuningSingle(rng, { names, styles: chosen, sprites });
      const pixels = new Uint8Array(side * side * 3);
      renderer.render(spec, pixels, 0);
      const name = (spec.objects[0]?.name ?? "").replaceAll("-", " ");
      const file = `images/${String(i).padStart(6, "0")}.png`;
      await sharp(pixels, { raw: { width: side, height: side, channels: 3 } }).png({ compressionLevel: 3 }).toFile(path.join(folder, file));
      lines.write(`${JSON.stringify({ id: String(i), image: file, caption: each === undefined ? rng.choice(captions)(name) : name })}\n`);
    }
    await new Promise((resolve) => lines.end(resolve));
    process.stdout.write(`${folder}: ${total} pairs\n`);
  })
  .parseAsync();

function fail(name: string): never {
  throw new Error(`draw-pairs: expected styles among ${[...trainStyles, ...heldOutStyles].join(", ")}, got ${name}`);
}
