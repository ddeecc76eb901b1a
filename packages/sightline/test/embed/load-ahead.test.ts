import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { loadAhead, type LoadAheadOptions } from "../../src/embed/load-ahead.js";

const wide: LoadAheadOptions<unknown> = { atOnce: 4, ahead: 8, maxBytes: 1e9, bytesOf: () => 1 };

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await setImmediate();
}

describe("loadAhead", () => {
  it("gives what was loaded in the sources' order, within its bounds, however long each load takes", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ turns: fc.nat(4), fails: fc.boolean(), bytes: fc.integer({ min: 1, max: 9 }) })),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 20 }),
        async (sources, atOnce, ahead, maxBytes) => {
          let [loading, loaded, taken] = [0, 0, 0];
          const load = async (source: (typeof sources)[number]): Promise<number> => {
            loading++;
            expect(loading).toBeLessThanOrEqual(atOnce);
            expect(loading + loaded - taken).toBeLessThanOrEqual(ahead + 1);
            await turns(source.turns);
            loading--;
            loaded++;
            if (source.fails) throw new Error("no");
            return source.bytes;
          };
          const got: unknown[] = [];
          for await (const item of loadAhead(sources, load, { atOnce, ahead, maxBytes, bytesOf: (bytes) => bytes })) {
            taken++;
            got.push("value" in item ? item.value : "failed");
            await turns(1);
          }
          expect(got).toEqual(sources.map(({ fails, bytes }) => (fails ? "failed" : bytes)));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("loads on while the taker is busy, and stops where it may not hold more", async () => {
    const started: number[] = [];
    const inputs = loadAhead([...Array(100).keys()], async (i) => started.push(i), { ...wide, ahead: 5 });
    await inputs.next();
    await turns(50);
    expect(started.length).toBeGreaterThanOrEqual(5);
    expect(started.length).toBeLessThanOrEqual(6);
    await inputs.return(undefined);
    const heavy = loadAhead([...Array(100).keys()], async (i) => started.push(i + 1000), { ...wide, maxBytes: 10, bytesOf: () => 10 });
    await heavy.next();
    await turns(50);
    expect(started.filter((i) => i >= 1000).length).toBeLessThanOrEqual(6);
    await heavy.return(undefined);
  });

  it("rejects when the sources do, after what came before", async () => {
    const sources = async function* (): AsyncGenerator<number> {
      yield 1;
      throw new Error("the disk is gone");
    };
    const inputs = loadAhead(sources(), async (i) => i, wide);
    expect((await inputs.next()).value).toEqual({ source: 1, value: 1 });
    await expect(inputs.next()).rejects.toThrow("the disk is gone");
  });

  it("closes the sources when the taker leaves", async () => {
    let closed = false;
    const sources = async function* (): AsyncGenerator<number> {
      try {
        for (let i = 0; ; i++) yield i;
      } finally {
        closed = true;
      }
    };
    for await (const { source } of loadAhead(sources(), async (i) => i, wide)) if (source === 3) break;
    await turns(5);
    expect(closed).toBe(true);
  });
});
