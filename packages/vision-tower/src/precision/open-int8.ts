import { measureLinears, openSession, planInt8, quantizeLinears, type Graph, type Int8Layer, type MeasuredGraph, type Session, type SessionOptions } from "@sightline/graph";
import { agreementOf, type Agreement } from "./agreement.js";
import { agreementWanted, type PrecisionReport } from "./precision.js";

/** A session in some precision, and what that came to. */
export interface OpenedTower {
  readonly session: Session;
  readonly report: PrecisionReport;
}

type Feeds = Parameters<Session["run"]>[0];

interface Attempt {
  readonly graph: Graph;
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
  const { holds, report, exactMs } = await chooseInt8(graph, feeds, options);
  if (holds && report.int8Layers > 0 && !(onlyIfFaster && holds.runMs >= exactMs)) return { session: holds.session, report };
  await holds?.session[Symbol.asyncDispose]();
  return { session: await openSession(graph, options), report: inFloat32(report) };
}

/** As `openInt8`, the graph alone, to be written to a file: as much of it in int8 as agrees with float32. */
export async function int8Graph(graph: Graph, feeds: readonly Feeds[], options: SessionOptions): Promise<{ readonly graph: Graph; readonly report: PrecisionReport }> {
  const { holds, report } = await chooseInt8(graph, feeds, options);
  await holds?.session[Symbol.asyncDispose]();
  return holds ? { graph: holds.graph, report } : { graph, report: inFloat32(report) };
}

function inFloat32({ linearLayers }: PrecisionReport): PrecisionReport {
  return { precision: "float32", int8Layers: 0, linearLayers, cosinePooled: 1, cosinePatch: 1 };
}

interface Chosen {
  /** Open; `undefined` where not even the last layers alone agree with float32. */
  readonly holds: Attempt | undefined;
  readonly report: PrecisionReport;
  readonly exactMs: number;
}

async function chooseInt8(graph: Graph, feeds: readonly Feeds[], options: SessionOptions): Promise<Chosen> {
  const exact = await measureLinears(graph, feeds, options);
  const plan = [...planInt8(exact.statistics)];
  const kept = (without: number): typeof plan => plan.slice(Math.round((plan.length * without) / steps));

  // By bisection: `holds` is the best that held, everything up to `strays` did not.
  let holds: { without: number; attempt: Attempt } | undefined;
  let strays = -1;
  for (let without = 0; without < steps; ) {
    const tried = await tryPlan(graph, kept(without), feeds, exact, options);
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
  const { pooled, patch } = holds?.attempt.agreement ?? { pooled: 1, patch: 1 };
  const int8Layers = holds ? kept(holds.without).length : 0;
  return {
    holds: holds?.attempt,
    report: { precision: int8Layers > 0 ? "int8" : "float32", int8Layers, linearLayers: exact.statistics.size, cosinePooled: pooled, cosinePatch: patch },
    exactMs: exact.runMs,
  };
}

async function tryPlan(graph: Graph, plan: readonly (readonly [string, Int8Layer])[], feeds: readonly Feeds[], exact: MeasuredGraph, options: SessionOptions): Promise<Attempt> {
  const quantized = quantizeLinears(graph, new Map(plan));
  const session = await openSession(quantized, options);
  try {
    const results: Awaited<ReturnType<Session["run"]>>[] = [];
    let runMs = Number.POSITIVE_INFINITY;
    for (const feed of feeds) {
      const started = performance.now();
      results.push(await session.run(feed));
      runMs = Math.min(runMs, performance.now() - started);
    }
    return { graph: quantized, session, agreement: agreementOf(exact.results, results), runMs };
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}
