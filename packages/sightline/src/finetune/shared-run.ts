import { CheckpointFolder, type Collectives } from "@sightline/contrastive";
import path from "node:path";
import { SightlineError } from "../sightline-error.js";
import type { FinetuneConfig } from "./finetune-settings.js";
import { openRunFolder, type RunFolder, type RunFolderOptions } from "./run-folder.js";

/** @throws SightlineError `bad-input` for what several processes cannot do together */
export function expectShareable({ loss, batchSize }: FinetuneConfig, collectives: Collectives | undefined): void {
  if (!collectives || collectives.size === 1) return;
  if (loss.type === "softmax") throw new SightlineError("bad-input", `finetune: the softmax loss needs every text on every process, and is trained on one; use loss "sigmoid"`);
  if (loss.negatives) throw new SightlineError("bad-input", "finetune: loss.negatives are chosen over the whole batch, and are trained on one process; leave them out");
  if (batchSize < collectives.size) throw new SightlineError("bad-input", `finetune: expected a batch of at least one pair a process, ${collectives.size}, got batchSize ${batchSize}`);
}

/** The folder of a run of several processes: the first opens it, all learn what it goes on from. */
export async function openSharedRunFolder(config: FinetuneConfig, options: RunFolderOptions, collectives: Collectives): Promise<RunFolder> {
  const own = collectives.rank === 0 ? await openRunFolder(config, options) : undefined;
  const told = Float64Array.of(own?.resumeAt ?? 0);
  await collectives.allReduceSum(told);
  const resumeAt = told[0] === 0 ? undefined : told[0];
  if (own) return own;
  const checkpoints = new CheckpointFolder(path.join(config.out, "checkpoints"));
  return { path: config.out, checkpoints, resumeAt, [Symbol.asyncDispose]: async () => undefined };
}

/** Lets a run of several processes stop after the same step in all of them, whichever was asked to. */
export class StopAgreement {
  readonly #collectives: Collectives;
  readonly #asked: AbortSignal | undefined;
  readonly #agreed = new AbortController();

  constructor(collectives: Collectives, asked: AbortSignal | undefined) {
    this.#collectives = collectives;
    this.#asked = asked;
  }

  /** Aborted when all know that one was asked to stop. */
  get signal(): AbortSignal {
    return this.#agreed.signal;
  }

  /** Adds up gradients, and tells the others of a request to stop. */
  async reduce(gradients: Float32Array): Promise<void> {
    await this.#collectives.allReduceSum(gradients);
    const asked = Float64Array.of(this.#asked?.aborted === true ? 1 : 0);
    await this.#collectives.allReduceSum(asked);
    if ((asked[0] as number) > 0) this.#agreed.abort(this.#asked?.reason ?? new Error("another process was asked to stop"));
  }
}
