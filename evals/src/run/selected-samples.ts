import { createHash } from "node:crypto";
import { EvalError } from "../eval-error.js";
import type { Sample, Task } from "../task.js";

export interface Selection {
  readonly offset: number;
  readonly limit: number | undefined;
}

/** A sample and its place in the whole set. */
export interface PlacedSample {
  readonly index: number;
  readonly sample: Sample;
}

/**
 * The samples of a task that are asked for, one after another.
 * @throws EvalError `duplicate-image` when two have the same id
 */
export async function* selectedSamples(task: Task, folder: string, { offset, limit }: Selection): AsyncGenerator<PlacedSample> {
  const seen = new Set<string>();
  const end = limit === undefined ? Number.POSITIVE_INFINITY : offset + limit;
  let index = 0;
  for await (const sample of task.read(folder)) {
    if (index >= end) return;
    if (seen.has(sample.id)) throw new EvalError("duplicate-image", `eval: ${task.name}: expected each sample once, got ${JSON.stringify(sample.id)} again; the data is damaged`);
    seen.add(sample.id);
    if (index >= offset) yield { index, sample };
    index++;
  }
}

/**
 * Each sample with the picture of another, for the shuffled baseline: that of the last sample before it which shows something
 * else; the first ones get the first other picture behind them.
 */
export async function* withOthersPictures(samples: AsyncIterable<PlacedSample>): AsyncGenerator<PlacedSample> {
  const pictureOf = ({ sample }: PlacedSample): string => sample.imageId ?? sample.id;
  const first: PlacedSample[] = [];
  let before: PlacedSample | undefined;
  let last: PlacedSample | undefined;
  for await (const placed of samples) {
    if (last && pictureOf(last) !== pictureOf(placed)) before = last;
    last = placed;
    if (!before) {
      first.push(placed);
      continue;
    }
    for (const { index, sample } of first.splice(0)) yield { index, sample: { ...sample, image: placed.sample.image } };
    yield { index: placed.index, sample: { ...placed.sample, image: before.sample.image } };
  }
  if (first.length > 0) throw new EvalError("bad-input", "eval: --baseline shuffled: expected at least two pictures, the samples asked for show one");
}

/** The same samples, the next being read while one is answered. */
export async function* oneAhead(samples: AsyncIterable<PlacedSample>): AsyncGenerator<PlacedSample> {
  const iterator = samples[Symbol.asyncIterator]();
  let next = iterator.next();
  try {
    for (;;) {
      const { value, done } = await next;
      if (done === true) return;
      next = iterator.next();
      // It is awaited in the next round, or not at all after a break.
      next.catch(() => {});
      yield value;
    }
  } finally {
    await next.catch(() => {});
    await iterator.return?.();
  }
}

/** Names what was asked and what is right, so that two runs can be told to have had the same data. */
export class DataHash {
  readonly #hash = createHash("sha256");

  add({ id, prompt, references, options, group }: Sample): void {
    this.#hash.update(`${JSON.stringify([id, prompt, references, options ?? null, group ?? null])}\n`);
  }

  digest(): string {
    return this.#hash.digest("hex");
  }
}
