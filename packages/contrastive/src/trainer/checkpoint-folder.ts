import { mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { TrainingError } from "../training-error.js";

const pattern = /^step-(\d{8})\.safetensors$/;

/** Settings of `CheckpointFolder`. */
export interface CheckpointFolderOptions {
  /** How many of the latest checkpoints stay, 2 by default; the best stays besides. */
  readonly keep?: number;
}

/** The checkpoints of a run, `step-00000100.safetensors`, of which the last few and the best are kept. */
export class CheckpointFolder {
  readonly path: string;
  readonly #keep: number;

  constructor(folder: string, { keep = 2 }: CheckpointFolderOptions = {}) {
    if (!(Number.isInteger(keep) && keep > 0)) throw new TrainingError(`CheckpointFolder: expected to keep at least one checkpoint, got ${keep}`);
    this.path = folder;
    this.#keep = keep;
  }

  /** Makes the folder; what an interrupted save left in it goes away. */
  async prepare(): Promise<void> {
    await mkdir(this.path, { recursive: true });
    for (const name of await readdir(this.path)) if (!pattern.test(name)) await rm(path.join(this.path, name), { force: true });
  }

  /** The file of a step's checkpoint. */
  fileOf(step: number): string {
    return path.join(this.path, `step-${String(step).padStart(8, "0")}.safetensors`);
  }

  /** The steps that have a checkpoint, ascending; none where there is no folder. */
  async steps(): Promise<readonly number[]> {
    const names = await readdir(this.path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    return names.flatMap((name) => (pattern.test(name) ? [Number(pattern.exec(name)?.[1])] : [])).sort((a, b) => a - b);
  }

  /** Deletes what is neither among the latest nor the best. */
  async discardOld(best?: number): Promise<void> {
    const steps = await this.steps();
    for (const step of steps.slice(0, -this.#keep)) if (step !== best) await rm(this.fileOf(step), { force: true });
  }
}
