import { randomBytes } from "node:crypto";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { SightlineError, writeParquet, type Named } from "sightline";
import { syncFolder, writeDurably, writeFully } from "sightline/cli";
import { writeCaptionParquet, type CaptionRow } from "./caption-parquet.js";
import { writeCocoResults } from "./coco-results.js";
import { collectedParts, type CollectedPart } from "./collected-parts.js";
import { readPart } from "./part-file.js";
import { readRunManifest, type RunManifest } from "./run-manifest.js";
import { ShardImages } from "./shard-images.js";

/** How results are written: one parquet file, or of captions also COCO's results JSON. */
export type CollectFormat = "parquet" | "coco";

/** What `collectRun` collects, and where it writes. */
export interface CollectOptions {
  /** The run's folder. */
  readonly run: string;
  readonly out: string;
  /** "parquet" when left out. */
  readonly format?: CollectFormat | undefined;
  /** Replaces `out` where it is there already; false when left out. */
  readonly overwrite?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told after each shard how many images are written, and of how many. */
  readonly onProgress?: ((images: number, of: number) => void) | undefined;
}

/** What `collectRun` wrote. */
export interface CollectSummary {
  readonly out: string;
  /** Every image of the run: rows + failed. */
  readonly images: number;
  /** Of the output. */
  readonly rows: number;
  readonly failed: number;
  /** `out` + ".errors.jsonl", where an image failed. */
  readonly errorsFile?: string;
  /** D of embeddings. */
  readonly width?: number;
}

/**
 * Makes the parts of a finished run into one file, in the order of its images, each of them once; those that could not be used
 * are listed beside it. The file is there in full or not at all. Memory holds a part and a row group.
 * @throws SightlineError `bad-input` while shards are missing, or when no image could be used; `output-exists`;
 *   `journal-damaged` naming a part that is damaged; the signal's reason
 */
export async function collectRun(options: CollectOptions): Promise<CollectSummary> {
  const { run, out, format = "parquet", signal = new AbortController().signal } = options;
  const manifest = await readRunManifest(run);
  const { task } = manifest.settings;
  if (format === "coco" && task !== "caption") throw new SightlineError("bad-input", "bulk collect: --format coco is for captions, and the run made embeddings; collect it to parquet");
  if (options.overwrite !== true && (await stat(out).catch(() => undefined))) throw new SightlineError("output-exists", `bulk collect: ${out} is there already; remove it, take another name, or replace it (--overwrite)`);
  await mkdir(path.dirname(path.resolve(out)), { recursive: true });
  await using images = await ShardImages.open(run, manifest);
  const [staging, errorsStaging] = [0, 1].map(() => `${out}.${randomBytes(4).toString("hex")}.new`) as [string, string];
  const errorsFile = `${out}.errors.jsonl`;
  const counts = { rows: 0, failed: 0 };
  let width = 0;
  async function* parts(onErrors: (lines: string) => Promise<void>): AsyncGenerator<CollectedPart> {
    for await (const part of collectedParts(run, manifest, images, signal)) {
      if (part.width > 0 && width > 0 && part.width !== width) throw new SightlineError("journal-damaged", `bulk collect: embeddings have widths ${width} and ${part.width}; workers used different models`);
      width ||= part.width;
      const failed = part.images.flatMap(({ image: { key, path: from }, outcome }) => ("error" in outcome ? [`${JSON.stringify({ key, path: from, error: outcome.error })}\n`] : []));
      counts.failed += failed.length;
      counts.rows += part.images.length - failed.length;
      await onErrors(failed.join(""));
      yield part;
      options.onProgress?.(counts.rows + counts.failed, manifest.images);
    }
  }
  try {
    // The list of failures is written as the parts go by, and named when the output is.
    await writeDurably(`${errorsStaging}.done`, errorsStaging, async (errors) => {
      const all = parts((lines) => (lines === "" ? Promise.resolve() : writeFully(errors, Buffer.from(lines))));
      await writeDurably(`${staging}.done`, staging, async (to) => {
        if (task === "embed") {
          const wide = await widthOf(run, manifest);
          await writeParquet(to, { width: wide, texts: false, metadata: { ...metadataOf(manifest), width: wide } }, embeddingBatches(all));
        }
        else if (format === "coco") await writeCocoResults(to, captionRows(all));
        else await writeCaptionParquet(to, metadataOf(manifest), captionRows(all));
      });
    });
    if (counts.rows === 0) throw new SightlineError("bad-input", `bulk collect: none of the ${counts.failed} images could be used; sightline bulk status --run ${run} says why`);
    if (counts.failed > 0) await rename(`${errorsStaging}.done`, errorsFile);
    else await rm(errorsFile, { force: true });
    await rename(`${staging}.done`, out);
    await syncFolder(path.dirname(path.resolve(out)));
    await removeStaged(run);
  } finally {
    for (const file of [staging, errorsStaging]) for (const end of ["", ".done"]) await rm(file + end, { force: true });
  }
  return { out, images: counts.rows + counts.failed, ...counts, ...(counts.failed > 0 ? { errorsFile } : {}), ...(task === "embed" ? { width } : {}) };
}

/** What the file says about itself, under the names that `embed` uses too. */
function metadataOf({ id, model, fingerprint, settings }: RunManifest): Record<string, string | number | boolean> {
  const common = { model, fingerprint, run: id };
  return settings.task === "embed" ? { ...common, normalized: settings.normalize } : { ...common, prompt: settings.prompt };
}

/** D, by the first part that has embeddings: a parquet file says it before its rows. */
async function widthOf(run: string, { shards }: RunManifest): Promise<number> {
  for (const shard of shards.keys()) {
    // What is missing or damaged is told by whoever reads all.
    const width = await readPart(run, shard).then((part) => part.width, () => 0);
    if (width > 0) return width;
  }
  return 1;
}

async function* embeddingBatches(parts: AsyncIterable<CollectedPart>): AsyncGenerator<{ readonly rows: readonly Named[]; readonly embeddings: Float32Array }> {
  for await (const { images, width } of parts) {
    const rows: Named[] = [];
    const embeddings = new Float32Array(images.length * width);
    for (const { image, outcome } of images) {
      if (!("embedding" in outcome)) continue;
      embeddings.set(outcome.embedding, rows.length * width);
      rows.push({ key: image.key, path: image.path });
    }
    yield { rows, embeddings };
  }
}

async function* captionRows(parts: AsyncIterable<CollectedPart>): AsyncGenerator<CaptionRow> {
  for await (const { images } of parts) {
    for (const { image, outcome } of images) if ("caption" in outcome) yield { key: image.key, path: image.path, caption: outcome.caption };
  }
}

/** What workers that were killed had begun to write; the run is done, so nobody writes any more. */
async function removeStaged(run: string): Promise<void> {
  for (const folder of ["parts", "failures"]) {
    for (const name of await readdir(path.join(run, folder))) if (name.startsWith(".") && name.endsWith(".new")) await rm(path.join(run, folder, name), { force: true });
  }
}
