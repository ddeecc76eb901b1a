import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { CheckpointFolder } from "@sightline/contrastive";
import { SightlineError } from "../sightline-error.js";
import { lockFolder } from "../embed/folder-lock.js";
import { parseFinetuneConfig, type RunConfig } from "./finetune-config.js";
import type { FinetuneConfig } from "./finetune-settings.js";

const configName = "finetune.json";

/** Where a run keeps what: `finetune.json`, `checkpoints/`, `log.jsonl`, `tensorboard/`, `training.svg`, `model/` and other results. */
export interface RunFolder extends AsyncDisposable {
  readonly path: string;
  readonly checkpoints: CheckpointFolder;
  /** The step of the checkpoint that the run goes on from. */
  readonly resumeAt: number | undefined;
}

export interface RunFolderOptions {
  /** Go on from the last checkpoint. */
  readonly resume?: boolean;
  /** Replace a run that lies there. */
  readonly overwrite?: boolean;
}

/**
 * Opens the folder of a run for this process alone.
 * @throws SightlineError `output-exists` when another run lies there and `resume` was not asked for, or another process
 * works there; `bad-input` when there is nothing to resume
 */
export async function openRunFolder(config: RunConfig, { resume = false, overwrite = false }: RunFolderOptions): Promise<RunFolder> {
  const { out, checkpoints: { keep } } = config;
  await mkdir(out, { recursive: true });
  const unlock = await lockFolder(out);
  try {
    const checkpoints = new CheckpointFolder(path.join(out, "checkpoints"), { keep });
    if (overwrite && !resume) for (const name of ["checkpoints", "log.jsonl", "tensorboard"]) await rm(path.join(out, name), { recursive: true, force: true });
    const resumeAt = (await checkpoints.steps()).at(-1);
    if (resume && resumeAt === undefined) throw new SightlineError("bad-input", `finetune: ${out} has no checkpoint to resume from; start without --resume`);
    if (!resume && resumeAt !== undefined) throw new SightlineError("output-exists", `finetune: ${out} holds a run of ${resumeAt} steps; resume it, overwrite it, or name another folder`);
    await writeFile(path.join(out, configName), `${JSON.stringify(config, null, 2)}\n`, { flush: true });
    return { path: out, checkpoints, resumeAt, [Symbol.asyncDispose]: unlock };
  } catch (error) {
    await unlock();
    throw error;
  }
}

/**
 * The configuration of a run that was begun in a folder.
 * @throws SightlineError `bad-input` when there is none
 */
export async function configOfRun(folder: string): Promise<RunConfig> {
  const file = path.join(folder, configName);
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new SightlineError("bad-input", `finetune: ${folder} holds no run: ${configName} is not there; give the folder that the configuration calls "out"`, { cause });
  });
  return parseFinetuneConfig(JSON.parse(text), folder, file);
}

/** What a resumed run must have in common with the one before it; each a readable text. */
export function resumeSettings(config: FinetuneConfig, totalSteps: number, pairs: number): Readonly<Record<string, string>> {
  const { model, data, loss, trains, optimizer, schedule, batchSize, chunk, seed, cacheFeatures } = config;
  const settings = { model, data, loss, trains, optimizer, schedule, batchSize, chunk, seed, cacheFeatures, steps: totalSteps, pairs };
  return asTexts(settings);
}

/** Settings as texts that can be compared. */
export function asTexts(settings: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, JSON.stringify(value) ?? "none"]));
}
