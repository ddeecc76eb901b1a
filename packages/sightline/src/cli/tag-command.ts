import { readFile } from "node:fs/promises";
import type { TagResult } from "@sightline/vision-tower";
import { Command } from "commander";
import { embedImages, type Embedded } from "../embed/embed-inputs.js";
import { SightlineError } from "../sightline-error.js";
import { exitCodes, reportFailure, UsageError } from "./failure.js";
import { abortOnInterrupt } from "./interrupt.js";
import { numberBetween } from "./option-values.js";
import { openSiglip, withTowerOptions, type TowerOptions } from "./tower-options.js";

interface TagCommandOptions extends TowerOptions {
  readonly labels?: string;
  readonly labelsFile?: string;
  readonly template?: readonly string[];
  readonly threshold: number;
  readonly json?: boolean;
}

/** `sightline tag`: which labels are true of an image, each on its own. */
export function tagCommand(): Command {
  const command = new Command("tag")
    .description("Say which labels are true of an image, each with a probability of its own.")
    .argument("<images...>", "image files")
    .option("--labels <list>", "labels, separated by commas")
    .option("--labels-file <file>", "a text file with one label a line")
    .option("--template <text>", 'how a label is put to the text tower ("a photo of {label}"); given several times, their mean counts', appended)
    .option("--threshold <x>", "probability from which a label holds", numberBetween(0, 1), 0.5)
    .option("--json", "print JSON: an array with one entry an image")
    .action(runTag);
  return withTowerOptions(command);
}

async function runTag(images: readonly string[], options: TagCommandOptions): Promise<void> {
  const { threshold, template, json } = options;
  const labels = await labelsOf(options);
  if (labels.length === 0) throw new UsageError("tag: there is no label; name some with --labels or --labels-file");
  if (template?.some((one) => !one.includes("{label}"))) throw new UsageError("tag: --template: expected {label} in it, where the label goes");
  const signal = abortOnInterrupt();
  const entries = new Map<number, object>();
  try {
    await using siglip = await openSiglip(options, { signal });
    const inputs = images.map((image, i) => ({ key: String(i), path: image, image }));
    for await (const result of embedImages(siglip, inputs, { signal })) {
      const { key, path: image } = result;
      if ("error" in result) {
        entries.set(Number(key), { image, error: result.error.message });
        reportFailure(result.error, process.argv.includes("--verbose"));
        process.exitCode = exitCodes.failure;
        continue;
      }
      const [tagged] = (await siglip.tagEmbeddings((result as Embedded).embedding, labels, { threshold, signal, ...(template ? { template } : {}) })) as [TagResult];
      if (json) entries.set(Number(key), { image, ...tagged });
      else process.stdout.write(table(image, tagged, process.stdout.isTTY));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    process.exitCode = exitCodes.interrupted;
    return;
  }
  if (json) process.stdout.write(`${JSON.stringify(images.map((_, i) => entries.get(i)))}\n`);
}

function appended(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

async function labelsOf({ labels, labelsFile }: TagCommandOptions): Promise<readonly string[]> {
  const listed = (labels ?? "").split(",");
  if (labelsFile !== undefined) {
    const text = await readFile(labelsFile, "utf8").catch((cause: unknown) => {
      throw new SightlineError("bad-input", `tag: --labels-file: ${labelsFile}: the file cannot be read; check the path`, { cause });
    });
    listed.push(...text.replace(/^\ufeff/, "").split(/\r?\n/));
  }
  return listed.map((label) => label.trim()).filter((label) => label !== "");
}

const barWidth = 24;

/** An image's labels, the likeliest first; on a terminal with a bar for each probability. */
function table(image: string, { tags, noneOfTheAbove }: TagResult, bars: boolean): string {
  const lines = tags.map(({ label, probability }) => {
    const bar = bars ? `${"█".repeat(Math.round(probability * barWidth)).padEnd(barWidth, "·")}  ` : "";
    return `  ${(probability * 100).toFixed(1).padStart(5)} %  ${bar}${label}\n`;
  });
  return `${image}\n${lines.join("")}${noneOfTheAbove ? "  none of the above\n" : ""}`;
}
