import { createHash } from "node:crypto";
import path from "node:path";
import type { Siglip } from "@sightline/vision-tower";
import { Command, Option } from "commander";
import { embedToFile, partialFolder, type EmbedSummary, type EmbedToFileOptions } from "../embed/embed-to-file.js";
import { imageFiles, textFiles } from "../embed/input-files.js";
import { siglipFingerprint } from "../models/siglip-fingerprint.js";
import { exitCodes, UsageError } from "./failure.js";
import { abortOnInterrupt } from "./interrupt.js";
import { wholeNumber } from "./option-values.js";
import { progressLine } from "./progress-line.js";
import { embeddingSettings, openSiglip, withTowerOptions, type TowerOptions } from "./tower-options.js";

interface EmbedCommandOptions extends TowerOptions {
  readonly out: string;
  readonly text?: boolean;
  readonly resume?: boolean;
  readonly overwrite?: boolean;
  readonly batch?: number;
  readonly strict?: boolean;
  readonly normalize?: boolean;
  readonly raw?: boolean;
  readonly json?: boolean;
}

/** `sightline embed`: embeddings of any number of images or texts, into one file. */
export function embedCommand(): Command {
  const command = new Command("embed")
    .description("Write embeddings of images (or texts) to a parquet or NumPy file.")
    .argument("<inputs...>", "images, folders, globs, tar files (WebDataset; also shard-{000..010}.tar), @list.txt, or - for a list on stdin")
    .requiredOption("--out <file>", "F.parquet (key, path, embedding) or F.npy (float32[N, D], beside it F.npy.keys.jsonl)")
    .option("--text", "embed texts: one a line of each file, or each .txt member of a tar file")
    .option("--resume", "go on where an earlier run was stopped")
    .option("--overwrite", "replace F where it is there already")
    .option("--batch <n>", "how many go through the tower together (8 images or 64 texts)", wholeNumber(1))
    .option("--strict", "fail at the first input that cannot be read, instead of passing it over")
    .option("--normalize", "embeddings of length 1, for cosines and vector indexes (the default)")
    .addOption(new Option("--raw", "embeddings as the tower gives them").conflicts("normalize"))
    .option("--json", "print one JSON object about the run")
    .action(runEmbed);
  return withTowerOptions(command);
}

async function runEmbed(inputs: readonly string[], options: EmbedCommandOptions): Promise<void> {
  const { out, text = false, json } = options;
  if (![".parquet", ".npy"].includes(path.extname(out).toLowerCase())) throw new UsageError(`embed: --out: expected F.parquet or F.npy, got ${JSON.stringify(out)}`);
  const signal = abortOnInterrupt();
  // A list or texts on stdin may go on for ever, and would keep the process.
  const leaveStdin = (): void => void process.stdin.destroy();
  signal.addEventListener("abort", leaveStdin);
  const what = text ? "texts" : "images";
  const progress = progressLine(what);
  try {
    await using siglip = await openSiglip(options, { towers: [text ? "text" : "vision"], signal });
    const summary = await embed(siglip, inputs, options, signal, (state) => progress.update(state));
    progress.stop();
    report(summary, what, json === true);
  } catch (error) {
    progress.stop();
    if (!signal.aborted) throw error;
    process.stderr.write(`sightline: stopped; what is done is in ${partialFolder(out)}, and the same command with --resume goes on\n`);
    process.exitCode = exitCodes.interrupted;
  } finally {
    leaveStdin();
  }
}

async function embed(
  siglip: Siglip,
  inputs: readonly string[],
  command: EmbedCommandOptions,
  signal: AbortSignal,
  onProgress: (state: { readonly share: number; readonly done: number; readonly skipped: number; readonly perSecond: number }) => void,
): Promise<EmbedSummary> {
  const { out, model, text, batch, raw, resume, overwrite, strict } = command;
  const fingerprint = await siglipFingerprint(model);
  const options = (share: () => number): EmbedToFileOptions => ({
    out,
    batch,
    resume,
    overwrite,
    strict,
    signal,
    normalize: raw !== true,
    settings: { inputs: inputsSetting(inputs), ...embeddingSettings(command) },
    metadata: { model, fingerprint },
    onProgress: ({ embedded, skipped, imagesPerSecond }) => onProgress({ share: share(), done: embedded, skipped, perSecond: imagesPerSecond }),
  });
  if (text === true) {
    const texts = await textFiles(inputs);
    return embedToFile({ tower: siglip, texts }, options(() => texts.share()));
  }
  const images = await imageFiles(inputs);
  return embedToFile({ tower: siglip, images }, options(() => images.share()));
}

/** Relative inputs mean other files in another folder, so that resuming there must be refused. */
function inputsSetting(inputs: readonly string[]): string {
  const full = inputs.map((input) => (input === "-" || input.startsWith("@") ? input : path.resolve(input)));
  if (full.length <= 8) return full.join(" ");
  return `${full.length} inputs, sha256 ${createHash("sha256").update(JSON.stringify(full)).digest("hex").slice(0, 16)}`;
}

function report(summary: EmbedSummary, what: string, json: boolean): void {
  if (json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else {
    const { embedded, skipped, duplicates, width, out, errorsFile, imagesPerSecond } = summary;
    const notes = [
      ...(skipped > 0 ? [`${skipped} skipped, see ${errorsFile}`] : []),
      ...(duplicates > 0 ? [`${duplicates} named twice`] : []),
      `${imagesPerSecond.toFixed(1)} ${what} a second`,
    ];
    process.stdout.write(`${out}: ${embedded} ${what}, width ${width} (${notes.join("; ")})\n`);
  }
  if (summary.embedded > 0) return;
  process.stderr.write(`sightline: embed: none of the ${summary.skipped} ${what} could be read; ${summary.errorsFile} says why\n`);
  process.exitCode = exitCodes.failure;
}
