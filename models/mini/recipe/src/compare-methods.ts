import { execFile } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Command } from "commander";
import type { FinetuneSettings } from "sightline";

const command = fileURLToPath(new URL("../../../../packages/sightline/bin/sightline.js", import.meta.url));

/** Ways to fine-tune mini on a style that it has never seen; "none" is mini as it is. */
const methods: Readonly<Record<string, Partial<FinetuneSettings>>> = {
  none: { steps: 1, optimizer: { learningRate: 1e-12 } },
  full: { optimizer: { learningRate: 3e-4 } },
  "last 2 blocks": { trains: { image: { lastBlocks: 2 }, text: "none" }, optimizer: { learningRate: 5e-4 } },
  "LoRA, rank 16": { trains: { lora: { rank: 16 } }, optimizer: { learningRate: 3e-3 } },
  "locked text": { trains: { text: "none" }, optimizer: { learningRate: 3e-4 } },
  "locked image (LiT)": { trains: { image: "none" }, optimizer: { learningRate: 1e-3 } },
  "heads on kept features": { trains: { image: "head", text: "head" }, optimizer: { learningRate: 1e-3 } },
};

/** `compare-methods FOLDER`: each method on the pairs of train/, tried on those of held-out/, as draw-pairs made them. */
await new Command("compare-methods")
  .argument("<folder>")
  .option("--steps <n>", "steps of each method", Number, 150)
  .action(async (folder: string, { steps }: { steps: number }) => {
    for (const [name, changes] of Object.entries(methods)) {
      const out = path.join(folder, "run");
      await rm(out, { recursive: true, force: true });
      const held = path.join(folder, "held-out", "pairs.jsonl");
      const settings: FinetuneSettings = {
        model: "mini",
        out,
        data: { train: path.join(folder, "train", "pairs.jsonl"), validation: held },
        steps,
        batchSize: 64,
        seed: 1,
        evaluate: { everySteps: 1e6, zeroShot: { data: held, templates: ["{label}", "a {label}", "a photo of a {label}"] } },
        checkpoints: { everySteps: 1e6 },
        export: [],
        ...changes,
      };
      const config = path.join(folder, "finetune.json");
      await writeFile(config, JSON.stringify(settings));
      const { stdout } = await promisify(execFile)(process.execPath, [command, "finetune", "--config", config, "--json"]);
      const { seconds, peakMemoryMb, metrics } = JSON.parse(stdout) as { seconds: number; peakMemoryMb: number; metrics: Record<string, number> };
      process.stdout.write(`${JSON.stringify({ name, seconds: Math.round(seconds), peakMemoryMb, zeroShot: metrics["zeroShot.top1"], textToImage: metrics["textToImage.r1"], imageToText: metrics["imageToText.r1"] })}\n`);
    }
  })
  .parseAsync();
