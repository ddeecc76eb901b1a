import path from "node:path";
import { loadSiglip } from "@sightline/vision-tower";
import { Command } from "commander";
import { miniDirectory } from "../models/model-files.js";
import { UsageError } from "./failure.js";
import { numberBetween } from "./option-values.js";

interface TagOptions {
  readonly labels: string;
  readonly template: string;
  readonly threshold: number;
  readonly model: string;
  readonly json?: boolean;
}

/** `sightline tag`: which labels are true of an image, each on its own. */
export function tagCommand(): Command {
  return new Command("tag")
    .description("Say which labels are true of an image, each with a probability of its own.")
    .argument("<images...>", "image files")
    .requiredOption("--labels <list>", "labels, separated by commas")
    .option("--template <text>", "how a label is put to the text tower", "a photo of {label}")
    .option("--threshold <x>", "probability from which a label holds", numberBetween(0, 1), 0.5)
    .option("--model <name|folder>", '"mini", or a folder with a SigLIP checkpoint', "mini")
    .option("--json", "print JSON")
    .action(runTag);
}

async function runTag(images: readonly string[], { labels, template, threshold, model, json }: TagOptions): Promise<void> {
  const list = labels.split(",").map((label) => label.trim()).filter((label) => label !== "");
  if (list.length === 0) throw new UsageError("tag: --labels names no label");
  await using siglip = await loadSiglip(model === "mini" ? path.join(miniDirectory(), "siglip") : model);
  const results: unknown[] = [];
  for (const image of images) {
    const result = await siglip.tag(image, list, { threshold, template });
    results.push({ image, ...result });
    if (json) continue;
    process.stdout.write(`${image}\n`);
    for (const { label, probability } of result.tags) process.stdout.write(`  ${(probability * 100).toFixed(1).padStart(5)} %  ${label}\n`);
    if (result.noneOfTheAbove) process.stdout.write("  none of the above\n");
  }
  if (json) process.stdout.write(`${JSON.stringify(results)}\n`);
}
