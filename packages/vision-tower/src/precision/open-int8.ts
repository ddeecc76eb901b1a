import { measureLinears, openSession, planInt8, quantizeLinears, type Graph, type Int8Layer, type MeasuredGraph, type Session, type SessionOptions } from "@sightline/graph";
import { agreementOf, type Agreement } from "./agreement.js";
import { agreementWanted, type PrecisionReport } from "./precision.js";

export interface OpenedTower {
  readonly session: Session;
  readonly report: PrecisionReport;
}

type Feeds = Parameters<Session["run"]>[0];

interface Attempt {
  readonly session: Session;
  readonly agreement: Agreement;
  /** The fastest run over one of the calibration images, ms */
  readonly runMs: number;
}

/** The first layers of a plan are taken out of it in steps of this share, when the whole of it strays too far. */
const steps = 8;

/**
 * Opens a tower in int8: runs it once in float32 on calibration images, leaves out channels and layers whose values do
 * not fit 8 bits, and checks that the result agrees with float32. Where it does not, the first layers return to
 * float32, because their noise passes through all others: as few of them as will do.
 * @param onlyIfFaster give float32 where int8 is not faster on this machine
 */
export async function openInt8(graph: Graph, feeds: readonly Feeds[], options: SessionOptions, onlyIfFaster: boolean): Promise<OpenedTower> {
  const exact = await measureLinears(graph, feeds, options);
  const plan = [...planInt8(exact.statistics)];
  const linearLayers = exact.statistics.size;
  const attempt = (without: number): Promise<Attempt> => tryPlan(graph, plan.slice(Math.round((plan.length * without) / steps)), feeds, exact, options);
  const report = (without: number, { pooled, patch }: Agreement): PrecisionReport => {
    const int8Layers = plan.length - Math.round((plan.length * without) / steps);
    return { precision: int8Layers > 0 ? "int8" : "float32", int8Layers, linearLayers, cosinePooled: pooled, cosinePatch: patch };
  };

  // By bisection: `holds` is the best that held, everything up to `strays` did not.
  let holds: { without: number; attempt: Attempt } | undefined;
  let strays = -1;
  for (let without = 0; without < steps; ) {
    const tried = await attempt(without);
    if (tried.agreement.pooled >= agreementWanted.pooled && tried.agreement.patch >= agreementWanted.patch) {
      await holds?.attempt.session[Symbol.asyncDispose]();
      holds = { without, attempt: tried };
    } else {
      await tried.session[Symbol.asyncDispose]();
      strays = without;
    }
    const end = holds?.without ?? steps;
    if (end - strays <= 1) break;
    without = Math.floor((strays + end) / 2);
  }
  if (holds && plan.length > 0 && !(onlyIfFaster && holds.attempt.runMs >= exact.runMs)) {
    return { session: holds.attempt.session, report: report(holds.without, holds.attempt.agreement) };
  }
  await holds?.attempt.session[Symbol.asyncDispose]();
  return { session: await openSession(graph, options), report: report(steps, { pooled: 1, patch: 1 }) };
}

async function tryPlan(graph: Graph, plan: readonly (readonly [string, Int8Layer])[], feeds: readonly Feeds[], exact: MeasuredGraph, options: SessionOptions): Promise<Attempt> {
  const session = await openSession(quantizeLinears(graph, new Map(plan)), options);
  try {
    const results: Awaited<ReturnType<Session["run"]>>[] = [];
    let runMs = Number.POSITIVE_INFINITY;
    for (const feed of feeds) {
      const started = performance.now();
      results.push(await session.run(feed));
      runMs = Math.min(runMs, performance.now() - started);
    }
    return { session, agreement: agreementOf(exact.results, results), runMs };
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}
