import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, rename, stat } from "node:fs/promises";
import path from "node:path";
import { chatFingerprint, listImages, SightlineError, siglipFingerprint } from "sightline";
import { syncFolder } from "sightline/cli";
import { imagesFile, makeRunFolders } from "./run-folder.js";
import { findRunManifest, parseTaskSettings, writeRunManifest, type RunManifest, type TaskSettings } from "./run-manifest.js";
import { writeShards, type RunImage } from "./shard-images.js";

/** What `submitRun` makes a run of. */
export interface SubmitOptions {
  /** The run's folder, on a disk that all workers see; made where it is not there. */
  readonly run: string;
  /** Images, folders, globs, tar files, lists: as `imageFiles` takes them. */
  readonly inputs: readonly string[];
  readonly model: string;
  readonly settings: TaskSettings;
  /** Images of a job, 1 to 10,000. */
  readonly shardSize: number;
  readonly signal?: AbortSignal | undefined;
  /** Told how much of the inputs has been listed, 0 to 1, and how many images that were. */
  readonly onProgress?: ((share: number, images: number) => void) | undefined;
}

/** Few enough to be lost and done again, many enough that a job's own cost does not count. */
export const shardSizes = { least: 1, usual: 1000, most: 10_000 } as const;

const tellEvery = 500;
/** A set in JavaScript holds no more than 2^24. */
const mostImages = 16_000_000;

/**
 * Begins a run: lists its images, cuts them into shards, and writes both down. A run that is there already, of the same inputs
 * and settings, is left as it is.
 * @throws SightlineError `bad-input` for inputs that name nothing, `resume-refused` for a folder that holds another run; RangeError;
 *   the signal's reason
 */
export async function submitRun(options: SubmitOptions): Promise<{ readonly manifest: RunManifest; readonly isNew: boolean }> {
  const { run, inputs, model, shardSize, signal } = options;
  if (!Number.isSafeInteger(shardSize) || shardSize < shardSizes.least || shardSize > shardSizes.most) throw new RangeError(`submitRun: expected a shard size from ${shardSizes.least} to ${shardSizes.most}, got ${shardSize}`);
  const settings = parseTaskSettings(options.settings);
  const there = await findRunManifest(run);
  if (there) {
    checkSame(run, there, options);
    return { manifest: there, isNew: false };
  }
  const fingerprint = settings.task === "embed" ? await siglipFingerprint(model) : await chatFingerprint(model);
  await mkdir(run, { recursive: true });
  await makeRunFolders(run);
  const id = randomBytes(8).toString("hex");
  const staging = `${imagesFile(run)}.${id}.new`;
  const seen = new Set<string>();
  let duplicates = 0;
  const listed = await listImages(inputs);
  async function* images(): AsyncGenerator<RunImage> {
    for await (const { key, path: from, tar, error } of listed) {
      signal?.throwIfAborted();
      if (seen.has(from)) {
        duplicates++;
        continue;
      }
      if (seen.size === mostImages) throw new SightlineError("bad-input", `submitRun: expected at most ${mostImages.toLocaleString("en")} images; make several runs of them`);
      seen.add(from);
      if (seen.size % tellEvery === 0) options.onProgress?.(listed.share(), seen.size);
      yield { key, path: from, ...(tar === undefined ? {} : { tar }), ...(error === undefined ? {} : { problem: error.message }) };
    }
  }
  let shards;
  {
    await using handle = await open(staging, "w");
    shards = await writeShards(handle, images(), shardSize);
    await handle.sync();
  }
  if (seen.size === 0) throw new SightlineError("bad-input", "submitRun: there is no image in the inputs; check the paths");
  await rename(staging, imagesFile(run));
  await syncFolder(run);
  const manifest: RunManifest = {
    version: 1,
    id,
    created: new Date().toISOString(),
    model: await placeOf(model),
    fingerprint,
    settings,
    inputs: recordedInputs(inputs),
    base: process.cwd(),
    shardSize,
    images: seen.size,
    duplicates,
    shards,
  };
  await writeRunManifest(run, manifest);
  return { manifest, isNew: true };
}

/** A folder is named from the root on, because workers start elsewhere; "mini" and hub names stay. */
async function placeOf(model: string): Promise<string> {
  return model !== "mini" && (await stat(model).catch(() => undefined)) ? path.resolve(model) : model;
}

const mostInputs = 100;

/** What a person can still read; a shell's glob may have become a hundred thousand names. */
function recordedInputs(inputs: readonly string[]): string[] {
  if (inputs.length <= mostInputs) return [...inputs];
  return [`${inputs.length} inputs, sha256 ${createHash("sha256").update(JSON.stringify(inputs)).digest("hex")}`];
}

function checkSame(run: string, there: RunManifest, { inputs, model, settings, shardSize }: SubmitOptions): void {
  const asked: Record<string, unknown> = { inputs: recordedInputs(inputs), shardSize, ...settings };
  const found: Record<string, unknown> = { inputs: there.inputs, shardSize: there.shardSize, ...there.settings };
  if (inputs.some((input) => !path.isAbsolute(input)) && there.base !== process.cwd()) found["inputs"] = `${JSON.stringify(there.inputs)} in ${there.base}`;
  for (const name of new Set([...Object.keys(asked), ...Object.keys(found)])) {
    const [was, is] = [JSON.stringify(found[name]), JSON.stringify(asked[name])];
    if (was !== is) throw new SightlineError("resume-refused", `submitRun: ${run} holds another run: ${name} was ${was}, and is ${is} now; take another folder, or give no inputs to go on with that run`);
  }
  if (there.model !== model && there.model !== path.resolve(model)) throw new SightlineError("resume-refused", `submitRun: ${run} holds another run: model was ${there.model}, and is ${model} now; take another folder, or give no inputs to go on with that run`);
}
