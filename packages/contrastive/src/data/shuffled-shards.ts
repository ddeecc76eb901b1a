import { seededHash, seededUniform } from "../seeded-hash.js";
import { shuffledOrder } from "./shuffled-batches.js";

/** Settings of `shuffledShards`. */
export interface ShardShuffleOptions {
  readonly seed: number;
  readonly epoch: number;
  /** Entries held at a time, out of which the next is drawn; 1000 by default. */
  readonly buffer?: number;
  /** Entries of this epoch that a run has had already. */
  readonly skip?: number;
}

/**
 * Entries of shards that are too large to hold, for one epoch: the shards in an order that seed and epoch determine, and
 * each entry drawn at random from a buffer. A resumed epoch reads what it skips, and goes on as if it had never stopped.
 * @param open gives the entries of a shard, the same each time
 */
export async function* shuffledShards<Shard, Entry>(
  shards: readonly Shard[],
  open: (shard: Shard) => AsyncIterable<Entry>,
  { seed, epoch, buffer = 1000, skip = 0 }: ShardShuffleOptions,
): AsyncGenerator<Entry> {
  const hash = seededHash(seed, epoch, "buffer");
  const held: Entry[] = [];
  let drawn = 0;
  const draw = (): Entry => {
    const at = Math.floor(seededUniform(hash, drawn++) * held.length);
    const entry = held[at] as Entry;
    const last = held.pop() as Entry;
    if (at < held.length) held[at] = last;
    return entry;
  };
  for (const at of shuffledOrder(shards.length, seed, epoch)) {
    for await (const entry of open(shards[at] as Shard)) {
      held.push(entry);
      if (held.length < buffer) continue;
      const next = draw();
      if (drawn > skip) yield next;
    }
  }
  while (held.length > 0) {
    const next = draw();
    if (drawn > skip) yield next;
  }
}
