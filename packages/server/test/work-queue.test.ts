import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WorkQueue } from "../src/models/work-queue.js";

const never = new AbortController().signal;

describe("WorkQueue", () => {
  it("lets so many work at once, and the others in the order in which they came", async () => {
    const queue = new WorkQueue({ concurrent: 2, waiting: 10 });
    const began: number[] = [];
    const ends = await Promise.all([0, 1].map(() => queue.enter(never)));
    const later = [0, 1, 2].map(async (i) => {
      const end = await queue.enter(never);
      began.push(i);
      return end;
    });
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect([began, queue.running, queue.waiting]).toEqual([[], 2, 3]);
    ends[0]?.();
    // A turn ends once, however often it is said.
    ends[0]?.();
    await later[0];
    expect([began, queue.running, queue.waiting]).toEqual([[0], 2, 2]);
    ends[1]?.();
    await later[1];
    for (const end of [later[0], later[1]]) (await end)?.();
    (await later[2])?.();
    expect([began, queue.running, queue.waiting]).toEqual([[0, 1, 2], 0, 0]);
  });

  it("refuses beyond its line, with a time that grows with it", async () => {
    const queue = new WorkQueue({ concurrent: 1, waiting: 2 });
    const end = await queue.enter(never);
    const inLine = [queue.enter(never), queue.enter(never)];
    await expect(queue.enter(never)).rejects.toMatchObject({ status: 429, code: "queue_full", headers: { "retry-after": expect.stringMatching(/^[1-9]\d*$/) } });
    end();
    (await inLine[0])?.();
    (await inLine[1])?.();
    expect([queue.running, queue.waiting]).toEqual([0, 0]);
  });

  it("loses no turn and gives none twice, whoever leaves when", async () => {
    const step = fc.oneof(fc.record({ do: fc.constant("enter" as const) }), fc.record({ do: fc.constant("end" as const), which: fc.nat(20) }), fc.record({ do: fc.constant("leave" as const), which: fc.nat(20) }));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 4 }), fc.array(step, { maxLength: 40 }), async (concurrent, waiting, steps) => {
        const queue = new WorkQueue({ concurrent, waiting });
        const asked: { readonly controller: AbortController; state: "waiting" | "working" | "gone"; end?: () => void }[] = [];
        const working = () => asked.filter(({ state }) => state === "working").length;
        for (const one of steps) {
          const target = one.do === "enter" ? undefined : asked[one.which % Math.max(1, asked.length)];
          if (one.do === "enter") {
            const entry: (typeof asked)[number] = { controller: new AbortController(), state: "waiting" };
            asked.push(entry);
            queue.enter(entry.controller.signal).then(
              (end) => Object.assign(entry, { state: "working", end }),
              () => (entry.state = "gone"),
            );
          } else if (target && one.do === "end" && target.state === "working") {
            target.state = "gone";
            target.end?.();
          } else target?.controller.abort();
          await new Promise((resolve) => setImmediate(resolve));
          const waitingNow = asked.filter(({ state }) => state === "waiting").length;
          expect([queue.running, queue.waiting]).toEqual([working(), waitingNow]);
          expect(queue.running).toBeLessThanOrEqual(concurrent);
          expect(queue.waiting).toBeLessThanOrEqual(waiting);
          // Nobody waits beside a free place.
          expect(queue.waiting === 0 || queue.running === concurrent).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });
});
