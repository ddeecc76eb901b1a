import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { ImageQueue, type ImageQueueLimits, type ImageQueueStages } from "../src/image-queue.js";

const limits: ImageQueueLimits = { maxImages: 4, maxWaitMs: 0, maxLoading: 2, maxBytes: 1000 };

interface Gate {
  readonly promise: Promise<void>;
  open(): void;
}

function gate(): Gate {
  let open = (): void => {};
  const promise = new Promise<void>((resolve) => (open = resolve));
  return { promise, open };
}

/** Lets everything that waits for nothing but promises go on. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A queue of numbers that are there already, whose runs wait for their gates and give each number's double. */
function gatedQueue(options: Partial<ImageQueueLimits> = {}): { queue: ImageQueue<number, number, number[]>; runs: { images: readonly number[]; gate: Gate }[] } {
  const runs: { images: readonly number[]; gate: Gate }[] = [];
  const stages: ImageQueueStages<number, number, number[]> = {
    load: (source) => source,
    bytes: () => 0,
    async run(images) {
      const run = { images, gate: gate() };
      runs.push(run);
      await run.gate.promise;
      return images.map((image) => image * 2);
    },
  };
  return { queue: new ImageQueue(stages, { ...limits, ...options }), runs };
}

async function collect(queue: ImageQueue<number, number, number[]>, sources: readonly number[], signal?: AbortSignal): Promise<number[]> {
  const rows: number[] = [];
  await queue.submit(sources, (index, output, row) => (rows[index] = output[row] as number), signal);
  return rows;
}

describe("ImageQueue", () => {
  it("starts at once when idle, groups what came meanwhile, and hands each caller its own rows in order", async () => {
    const { queue, runs } = gatedQueue();
    const first = collect(queue, [1]);
    await settle();
    expect(runs.map(({ images }) => images)).toEqual([[1]]);
    const others = [collect(queue, [2, 3]), collect(queue, [4]), collect(queue, [5, 6])];
    await settle();
    expect(runs).toHaveLength(1);
    for (let i = 0; i < 3; i++) {
      runs[i]?.gate.open();
      await settle();
    }
    expect(await first).toEqual([2]);
    expect(await Promise.all(others)).toEqual([[4, 6], [8], [10, 12]]);
    expect(runs.map(({ images }) => images.length)).toEqual([1, 4, 1]);
  });

  it("puts callers of the same turn into one batch", async () => {
    const { queue, runs } = gatedQueue();
    const calls = [1, 2, 3].map((source) => collect(queue, [source]));
    await settle();
    expect(runs.map(({ images }) => images)).toEqual([[1, 2, 3]]);
    runs[0]?.gate.open();
    expect(await Promise.all(calls)).toEqual([[2], [4], [6]]);
  });

  it("takes callers in turns, so that a long call does not keep a short one waiting", async () => {
    const { queue, runs } = gatedQueue({ maxImages: 2 });
    const long = collect(queue, Array.from({ length: 50 }, (_, i) => i));
    const short = collect(queue, [100]);
    let shortEnded = 0;
    void short.then(() => (shortEnded = runs.length));
    for (let i = 0; i < 26; i++) {
      await settle();
      runs[i]?.gate.open();
    }
    expect((await long)[49]).toBe(98);
    expect(shortEnded).toBeLessThanOrEqual(2);
  });

  it("waits for company only where that was asked for, and not once a batch is full", async () => {
    const { queue, runs } = gatedQueue({ maxWaitMs: 40 });
    const started = performance.now();
    const first = collect(queue, [1]);
    await settle();
    expect(runs).toHaveLength(0);
    const second = collect(queue, [2]);
    while (runs.length === 0) await settle();
    expect(performance.now() - started).toBeGreaterThanOrEqual(39);
    expect(runs[0]?.images).toEqual([1, 2]);
    runs[0]?.gate.open();
    await Promise.all([first, second]);
    const full = collect(queue, [3, 4, 5, 6]);
    await settle();
    expect(runs[1]?.images).toEqual([3, 4, 5, 6]);
    runs[1]?.gate.open();
    await full;
  });

  it("drops an aborted caller's waiting images and rejects at once, while its images in the tower go on unseen", async () => {
    const { queue, runs } = gatedQueue();
    const controller = new AbortController();
    const aborted = collect(queue, [1, 2, 3, 4, 5, 6], controller.signal);
    await settle();
    const other = collect(queue, [7]);
    await settle();
    controller.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    expect(runs).toHaveLength(1);
    runs[0]?.gate.open();
    await settle();
    expect(runs[1]?.images).toEqual([7]);
    runs[1]?.gate.open();
    expect(await other).toEqual([14]);
    await queue.idle();
    await expect(collect(queue, [1], controller.signal)).rejects.toThrow("enough");
    expect(runs).toHaveLength(2);
  });

  it("runs each caller's part by itself when a shared run fails, so that only the one at fault hears of it", async () => {
    const ran: (readonly number[])[] = [];
    const queue = new ImageQueue<number, number, number[]>(
      {
        load: (source) => source,
        bytes: () => 0,
        async run(images) {
          ran.push(images);
          if (images.includes(13)) throw new Error("not 13");
          return images.map((image) => image * 2);
        },
      },
      limits,
    );
    const [good, bad, alsoGood] = await Promise.allSettled([collect(queue, [1]), collect(queue, [13]), collect(queue, [2, 3])]);
    expect([good, alsoGood]).toEqual([{ status: "fulfilled", value: [2] }, { status: "fulfilled", value: [4, 6] }]);
    expect(bad).toMatchObject({ status: "rejected", reason: { message: "not 13" } });
    expect(ran).toEqual([[1, 13, 2, 3], [1], [13], [2, 3]]);
  });

  it("rejects with what the receiver of a row throws", async () => {
    const { queue, runs } = gatedQueue();
    const call = queue.submit([1, 2], () => {
      throw new Error("no room");
    });
    await settle();
    runs[0]?.gate.open();
    await expect(call).rejects.toThrow("no room");
    await queue.idle();
  });

  type Kind = "ready" | "file" | "large" | "unreadable" | "poison";
  const kind = fc.oneof({ weight: 6, arbitrary: fc.constantFrom<Kind>("ready", "file", "large") }, { weight: 1, arbitrary: fc.constantFrom<Kind>("unreadable", "poison") });
  const calls = fc.array(fc.record({ kinds: fc.array(kind, { maxLength: 9 }), aborts: fc.option(fc.nat(20), { nil: undefined, freq: 3 }) }), { minLength: 1, maxLength: 8 });
  const someLimits = fc.record({ maxImages: fc.integer({ min: 1, max: 5 }), maxLoading: fc.integer({ min: 1, max: 3 }), maxBytes: fc.integer({ min: 1, max: 40 }), maxWaitMs: fc.constant(0) });

  it("keeps its limits and every caller's own result, whatever arrives, fails, aborts and ends in whatever order", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), calls, someLimits, async (s, calls, limits) => {
        interface Source { readonly call: number; readonly index: number; readonly kind: Kind }
        const bytesOf = { ready: 0, file: 10, large: 100, unreadable: 10, poison: 10 };
        let loading = 0;
        let running = false;
        // Images whose pixels are there, until their run has ended or their call has.
        const held = new Map<Source, { readonly bytes: number; readonly signal: AbortSignal }>();
        const heldBytes = (): number => [...held.values()].reduce((sum, { bytes, signal }) => sum + (signal.aborted ? 0 : bytes), 0);
        const queue = new ImageQueue<Source, Source, readonly Source[]>(
          {
            load(source, admit, signal) {
              if (source.kind === "ready") return source;
              return (async () => {
                expect(++loading).toBeLessThanOrEqual(limits.maxLoading);
                const bytes = bytesOf[source.kind];
                try {
                  await s.schedule(Promise.resolve("header"));
                  await admit(bytes);
                  held.set(source, { bytes, signal });
                  expect(heldBytes()).toBeLessThanOrEqual(Math.max(limits.maxBytes, bytes));
                  await s.schedule(Promise.resolve("pixels"));
                  if (source.kind === "unreadable") throw new Error(`unreadable ${source.call}`);
                  signal.throwIfAborted();
                  return source;
                } catch (error) {
                  held.delete(source);
                  throw error;
                } finally {
                  loading--;
                }
              })();
            },
            bytes: ({ kind }) => bytesOf[kind],
            async run(images) {
              expect(running).toBe(false);
              expect(images.length).toBeLessThanOrEqual(limits.maxImages);
              running = true;
              await s.schedule(Promise.resolve("run"));
              running = false;
              for (const image of images) held.delete(image);
              if (images.some(({ kind }) => kind === "poison")) throw new Error(`poison among ${[...new Set(images.map(({ call }) => call))].join(",")}`);
              return images;
            },
          },
          limits,
        );
        const outcomes = calls.map(async ({ kinds, aborts }, call) => {
          const controller = new AbortController();
          await s.schedule(Promise.resolve(`arrival ${call}`));
          const rows: Source[] = [];
          let deliveries = 0;
          const sources = kinds.map((kind, index) => ({ call, index, kind }));
          const submitted = queue.submit(sources, (index, output, row) => {
            deliveries++;
            rows[index] = output[row] as Source;
          }, controller.signal);
          const abort = aborts === undefined ? undefined : s.schedule(Promise.resolve(`abort ${call}`)).then(() => controller.abort(new Error(`abort ${call}`)));
          const result = await submitted.then(() => "done", (error: Error) => error.message);
          await abort;
          const own = [
            ...(kinds.includes("unreadable") ? [`unreadable ${call}`] : []),
            ...(kinds.includes("poison") ? [`poison among ${call}`] : []),
          ];
          const allowed = [...(own.length > 0 ? own : ["done"]), ...(aborts === undefined ? [] : [`abort ${call}`])];
          expect(allowed).toContain(result);
          if (result === "done") {
            expect(rows).toEqual(sources);
            expect(deliveries).toBe(sources.length);
          }
        });
        await s.waitFor(Promise.all(outcomes));
        await s.waitFor(queue.idle());
        // Nothing is left behind: an image as large as the whole budget still goes through.
        const last = { call: -1, index: 0, kind: "large" as const };
        const rows: Source[] = [];
        await s.waitFor(queue.submit([last], (_, output, row) => void rows.push(output[row] as Source)));
        expect(rows).toEqual([last]);
      }),
      { numRuns: 300 },
    );
  });
});
