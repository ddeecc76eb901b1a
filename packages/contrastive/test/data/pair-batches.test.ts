import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { pairBatches, shuffledShards, TrainingError, type DataBatch, type ImageTextPair, type ShuffleOptions } from "../../src/index.js";

function pairsOf(count: number): ImageTextPair[] {
  return Array.from({ length: count }, (_, i) => ({ id: `${i}`, image: `${i}.jpg`, captions: Array.from({ length: 1 + (i % 4) }, (_unused, k) => `${i}, said ${k}`) }));
}

function take(count: number, pairs: readonly ImageTextPair[], options: ShuffleOptions): DataBatch[] {
  const batches: DataBatch[] = [];
  for (const batch of pairBatches(pairs, options)) {
    batches.push(batch);
    if (batches.length === count) break;
  }
  return batches;
}

describe("pairBatches", () => {
  it("shows every pair once an epoch, in another order each epoch and for each seed", () => {
    const batches = take(8, pairsOf(12), { batchSize: 3, seed: 1 });
    const order = (from: number): string[] => batches.slice(from, from + 4).flatMap(({ pairs }) => pairs.map(({ pair }) => pair.id));
    for (const epoch of [0, 4]) expect(order(epoch).toSorted((a, b) => Number(a) - Number(b))).toEqual(pairsOf(12).map(({ id }) => id));
    expect(order(0)).not.toEqual(order(4));
    expect(take(4, pairsOf(12), { batchSize: 3, seed: 2 }).flatMap(({ pairs }) => pairs.map(({ pair }) => pair.id))).not.toEqual(order(0));
    expect(batches.map(({ epoch }) => epoch)).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
  });

  it("resumes at any position as if it had never stopped", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 30 }), fc.nat(), fc.integer({ min: 0, max: 20 }), (count, size, seed, stop) => {
        const options = { batchSize: Math.min(size, count), seed };
        const whole = take(stop + 3, pairsOf(count), options);
        const from = stop === 0 ? { epoch: 0, batch: 0 } : whole[stop - 1]!.next;
        expect(take(3, pairsOf(count), { ...options, from })).toEqual(whole.slice(stop));
      }),
    );
  });

  it("draws each of an image's captions in about the same number of epochs", () => {
    const counts = new Map<string, number>();
    for (const { pairs } of take(400, pairsOf(4), { batchSize: 4, seed: 3 })) {
      for (const { pair, caption } of pairs) if (pair.id === "3") counts.set(caption, (counts.get(caption) ?? 0) + 1);
    }
    expect([...counts.keys()].toSorted()).toEqual(["3, said 0", "3, said 1", "3, said 2", "3, said 3"]);
    for (const count of counts.values()) expect(count).toBeGreaterThan(70);
  });

  it("refuses no data and batches larger than the data", () => {
    expect(() => take(1, [], { batchSize: 1, seed: 0 })).toThrow(TrainingError);
    expect(() => take(1, pairsOf(3), { batchSize: 4, seed: 0 })).toThrow("pairBatches: expected a batch of 1 to 3 pairs, as many as there are, got 4");
    expect(() => take(1, pairsOf(3), { batchSize: 0, seed: 0 })).toThrow("got 0");
  });
});

describe("shuffledShards", () => {
  async function* shard(name: string): AsyncGenerator<string> {
    for (let i = 0; i < 7; i++) yield `${name}${i}`;
  }
  const collect = async (options: { seed: number; epoch: number; buffer?: number; skip?: number }): Promise<string[]> => {
    const entries: string[] = [];
    for await (const entry of shuffledShards(["a", "b", "c"], shard, options)) entries.push(entry);
    return entries;
  };

  it.each([1, 4, 100])("gives every entry once, whatever the buffer (%i)", async (buffer) => {
    const entries = await collect({ seed: 1, epoch: 0, buffer });
    expect(entries.toSorted()).toEqual(["a", "b", "c"].flatMap((name) => Array.from({ length: 7 }, (_, i) => `${name}${i}`)));
  });

  it("has another order each epoch and mixes shards", async () => {
    const [first, second] = [await collect({ seed: 1, epoch: 0, buffer: 10 }), await collect({ seed: 1, epoch: 1, buffer: 10 })];
    expect(first).not.toEqual(second);
    expect(new Set(first.slice(0, 9).map((entry) => entry[0])).size).toBeGreaterThan(1);
  });

  it("resumes in the middle of an epoch", async () => {
    const whole = await collect({ seed: 5, epoch: 2, buffer: 4 });
    for (const skip of [0, 1, 10, 20, 21]) expect(await collect({ seed: 5, epoch: 2, buffer: 4, skip })).toEqual(whole.slice(skip));
  });

  it("holds no more than its buffer", async () => {
    let opened = 0;
    async function* counted(name: string): AsyncGenerator<string> {
      for await (const entry of shard(name)) {
        opened++;
        yield entry;
      }
    }
    let taken = 0;
    for await (const _ of shuffledShards(["a", "b", "c"], counted, { seed: 1, epoch: 0, buffer: 5 })) expect(opened - taken++).toBeLessThanOrEqual(5);
    expect(taken).toBe(21);
  });
});
