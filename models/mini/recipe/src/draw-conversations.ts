import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { Command } from "commander";
import sharp from "sharp";
import { trainStyles } from "./art/art-sets.js";
import { loadSprites } from "./art/sprites.js";
import { questionsFor } from "./language/questions.js";
import { miniVision } from "./mini-config.js";
import { objectNames } from "./objects.js";
import { Random } from "./scenes/random.js";
import { SceneRenderer } from "./scenes/render-scene.js";
import { sampleScene } from "./scenes/scene.js";

/** `draw-conversations FOLDER`: scenes with questions and answers about them in LLaVA's form, to align a projector with. */
await new Command("draw-conversations")
  .argument("<folder>", "gets images/ and conversations.jsonl")
  .option("--count <n>", "scenes", Number, 2000)
  .option("--turns <n>", "questions about each", Number, 3)
  .option("--seed <n>", "of the drawing", Number, 1)
  .action(async (folder: string, { count, turns, seed }: { readonly count: number; readonly turns: number; readonly seed: number }) => {
    const sprites = await loadSprites({ styles: trainStyles, names: objectNames });
    const renderer = new SceneRenderer(sprites);
    await mkdir(path.join(folder, "images"), { recursive: true });
    const lines = createWriteStream(path.join(folder, "conversations.jsonl"));
    const rng = Random.fromSeed(seed, 78);
    const side = miniVision.imageSize;
    const pixels = new Uint8Array(side * side * 3);
    for (let i = 0; i < count; i++) {
      const spec = sampleScene(rng, { names: objectNames, styles: trainStyles, sprites, augment: false });
      renderer.render(spec, pixels, 0);
      const file = `images/${String(i).padStart(6, "0")}.png`;
      await sharp(pixels, { raw: { width: side, height: side, channels: 3 } }).png({ compressionLevel: 3 }).toFile(path.join(folder, file));
      const asked = questionsFor(spec, rng, turns, {});
      const conversations = asked.flatMap(({ question, answer }, turn) => [{ from: "human", value: turn === 0 ? `<image>\n${question}` : question }, { from: "gpt", value: answer }]);
      lines.write(`${JSON.stringify({ id: String(i), image: file, conversations })}\n`);
    }
    await new Promise((resolve) => lines.end(resolve));
    process.stdout.write(`${folder}: ${count} conversations\n`);
  })
  .parseAsync();
