import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { Command } from "commander";
import { writeDurably } from "../embed/durable-file.js";
import { siglipFingerprint } from "../models/siglip-fingerprint.js";
import { contactSheet } from "../search/contact-sheet.js";
import { openIndex, type EmbeddingIndex, type IndexSize, type SearchHit } from "../search/embedding-index.js";
import { SightlineError } from "../sightline-error.js";
import { exitCodes, UsageError } from "./failure.js";
import { abortOnInterrupt } from "./interrupt.js";
import { wholeNumber } from "./option-values.js";
import { openSiglip, withTowerOptions, type TowerOptions } from "./tower-options.js";

interface SearchCommandOptions extends TowerOptions {
  readonly index: string;
  readonly image?: string;
  readonly top: number;
  readonly html?: string;
  readonly json?: boolean;
}

/** `sightline search`: the rows of a file of embeddings that are nearest to a text or an image. */
export function searchCommand(): Command {
  const command = new Command("search")
    .description("Find the images (or texts) nearest to a text or an image, in a file that `sightline embed` wrote.")
    .argument("[text]", 'what to look for, as in "a red bus"')
    .requiredOption("--index <file>", "F.parquet or F.npy of embeddings")
    .option("--image <file>", "look for what is like this image, instead of a text")
    .option("--top <k>", "how many to find", wholeNumber(1), 10)
    .option("--html <file>", "also write a page that shows them, with everything in it")
    .option("--json", "print one JSON object")
    .action((text: string | undefined, options: SearchCommandOptions, self: Command) => runSearch(text, options, self.getOptionValueSource("model") !== "default"));
  return withTowerOptions(command, "the one that the index names");
}

async function runSearch(text: string | undefined, options: SearchCommandOptions, modelIsAsked: boolean): Promise<void> {
  const { image, html, json } = options;
  if ((text === undefined) === (image === undefined)) throw new UsageError('search: say what to look for, either a text ("a red bus") or --image F');
  if (text !== undefined && text.trim() === "") throw new UsageError("search: the text is empty; say what to look for");
  const signal = abortOnInterrupt();
  try {
    const started = performance.now();
    await using index = await openIndex(options.index, { threads: options.threads, onSize: (size) => tellSize(options.index, size), signal });
    const loadMs = performance.now() - started;
    const model = modelIsAsked ? options.model : (index.about.model ?? options.model);
    await checkModel(options.index, index, model);
    const vector = await queryVector(text, { ...options, model }, index, signal);
    const searched = performance.now();
    const [hits = []] = await index.search([vector], options.top, { signal });
    const queryMs = performance.now() - searched;
    const query = text === undefined ? { image: image as string } : { text };
    if (html !== undefined) await writeSheet(html, await contactSheet({ query, hits, note: noteOf(options.index, index, model) }));
    if (json) {
      const { size, width, unusable, memory } = index;
      process.stdout.write(`${JSON.stringify({ index: options.index, query, model, size, width, unusable, results: hits, memoryBytes: memory, timings: { loadMs, queryMs } })}\n`);
    } else process.stdout.write(hits.map(line).join(""));
  } catch (error) {
    if (!signal.aborted) throw error;
    process.exitCode = exitCodes.interrupted;
  }
}

/** Said only where it is much, so that a small search is quiet. */
function tellSize(file: string, { rows, width, memory, free }: IndexSize): void {
  if (memory < 2 ** 28) return;
  const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  process.stderr.write(`${file}: ${rows.toLocaleString("en")} embeddings of width ${width}: ${gib(memory)} of memory (${gib(free)} free)\n`);
}

/** Refuses to compare with what another model made: such cosines mean nothing, and look as if they did. */
async function checkModel(file: string, { about }: EmbeddingIndex, model: string): Promise<void> {
  if (about.fingerprint === undefined) {
    process.stderr.write(`sightline: search: ${file} does not say which model made it; taken for ${model}'s\n`);
    return;
  }
  if ((await siglipFingerprint(model)) === about.fingerprint) return;
  const maker = about.model === undefined ? "another model" : about.model === model ? `another model that was named ${model} too` : about.model;
  throw new SightlineError("model-mismatch", `search: ${file} was made by ${maker} (${about.fingerprint.slice(0, 12)}), and ${model} is not that model; give it with --model, or embed again`);
}

async function queryVector(text: string | undefined, options: SearchCommandOptions, { width }: EmbeddingIndex, signal: AbortSignal): Promise<Float32Array> {
  await using siglip = await openSiglip(options, { towers: [text === undefined ? "vision" : "text"], signal });
  const vector = text === undefined ? (await siglip.encodeImages([options.image as string], { signal })).pooled : await siglip.encodeTexts([text], { signal });
  if (width > 0 && vector.length !== width) throw new SightlineError("model-mismatch", `search: ${options.index} has embeddings of width ${width}, and ${options.model} makes them ${vector.length} wide; give the model that made it with --model`);
  return vector;
}

async function writeSheet(file: string, page: string): Promise<void> {
  await mkdir(path.dirname(path.resolve(file)), { recursive: true });
  await writeDurably(file, `${file}.${randomUUID()}.new`, (to) => to.writeFile(page));
}

function noteOf(file: string, { size, unusable }: EmbeddingIndex, model: string): string {
  return `nearest of ${size.toLocaleString("en")} in ${file} by cosine, model ${model}${unusable > 0 ? `; ${unusable} without a direction were passed over` : ""}`;
}

function line({ score, path: from, text }: SearchHit): string {
  return `${score.toFixed(4).padStart(7)}  ${from}${text === undefined ? "" : `  ${text}`}\n`;
}
