import { openSession, toFloat16, type Graph, type Session, type SessionOptions } from "@sightline/graph";
import { narrowFloat16 } from "@sightline/weights";
import { agreementOf } from "./agreement.js";
import type { OpenedTower } from "./open-int8.js";
import { agreementWanted, exactReport } from "./precision.js";

type Feeds = Parameters<Session["run"]>[0];
type Results = Awaited<ReturnType<Session["run"]>>;

/** How often the images are run, so that the first run's compilation of kernels is not what is timed. */
const rounds = 2;

/**
 * Opens a tower in float16 on a GPU, where it agrees with float32 on calibration images; gives it in float32 otherwise.
 * @param exact the same tower in float32, open; disposed here where it is not what is returned
 * @param onlyIfFaster give float32 where float16 is not faster on this device, or does not run at all
 * @throws RangeError where the device has no float16; GraphError for a weight beyond its range
 */
export async function openFloat16(graph: Graph, exact: Session, feeds: readonly Feeds[], options: SessionOptions, onlyIfFaster: boolean): Promise<OpenedTower> {
  let half: Session | undefined;
  try {
    const wanted = await runAll(exact, feeds);
    half = await openSession(toFloat16(graph, narrowFloat16), { ...options, quiet: true });
    const got = await runAll(half, feeds);
    const { pooled, patch } = agreementOf(wanted.results, got.results);
    const holds = pooled >= agreementWanted.pooled && patch >= agreementWanted.patch;
    if (holds && !(onlyIfFaster && got.runMs >= wanted.runMs)) {
      await exact[Symbol.asyncDispose]();
      return { session: half, report: { ...exactReport, precision: "float16", cosinePooled: pooled, cosinePatch: patch } };
    }
    await half[Symbol.asyncDispose]();
    return { session: exact, report: exactReport };
  } catch (cause) {
    await half?.[Symbol.asyncDispose]();
    if (onlyIfFaster) return { session: exact, report: exactReport };
    await exact[Symbol.asyncDispose]();
    if (/requires f16/.test((cause as Error).message)) {
      throw new RangeError(`openVision: expected precision "float32" or "auto" on ${exact.device}, whose driver has no float16 (shader-f16), got "float16"`, { cause });
    }
    throw cause;
  }
}

async function runAll(session: Session, feeds: readonly Feeds[]): Promise<{ results: readonly Results[]; runMs: number }> {
  const results: Results[] = [];
  let runMs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    for (const feed of feeds) {
      const started = performance.now();
      const result = await session.run(feed);
      runMs = Math.min(runMs, performance.now() - started);
      if (round === 0) results.push(result);
    }
  }
  return { results, runMs };
}
