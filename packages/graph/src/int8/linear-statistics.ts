import type { Graph } from "../graph.js";
import { rewriteGraph } from "../rewrite-graph.js";
import { openSession, type SessionOptions, type TensorValue } from "../session.js";
import type { Node, Tensor } from "../tensor.js";
import { linearLayers, type LinearLayer } from "./linear-layers.js";

/** What went through a linear layer when its graph ran. */
export interface LinearStatistics {
  /** float32[in], the least and the greatest value of each input channel */
  readonly least: Float32Array;
  readonly greatest: Float32Array;
  /** float32[in], the mean square of each input channel */
  readonly meanSquare: Float32Array;
  /** Rows that went through in one run. */
  readonly rows: number;
}

/** What `measureLinears` saw. */
export interface MeasuredGraph {
  /** By the name of a layer's weight. */
  readonly statistics: ReadonlyMap<string, LinearStatistics>;
  /** The graph's own outputs, one record for each feed. */
  readonly results: readonly Readonly<Record<string, TensorValue>>[];
  /** The fastest of the runs, without their statistics' own time being taken out; ms */
  readonly runMs: number;
}

/** Runs a graph in float32 on some feeds and watches its linear layers. */
export async function measureLinears(graph: Graph, feeds: readonly Readonly<Record<string, TensorValue>>[], options: SessionOptions): Promise<MeasuredGraph> {
  const layers = linearLayers(graph);
  await using session = await openSession(watched(graph, layers), options);
  const statistics = new Map<string, LinearStatistics>();
  const results: Record<string, TensorValue>[] = [];
  let runMs = Number.POSITIVE_INFINITY;
  for (const feed of feeds) {
    const started = performance.now();
    const values = await session.run(feed);
    runMs = Math.min(runMs, performance.now() - started);
    for (const { weight } of layers.values()) {
      const known = statistics.get(weight.name);
      const seen = statisticsOf(values, weight.name);
      statistics.set(weight.name, known ? together(known, seen) : seen);
    }
    results.push(Object.fromEntries(graph.outputs.map(({ name }) => [name, values[name] as TensorValue])));
  }
  return { statistics, results, runMs };
}

/** The graph with statistics of each layer as further outputs; layers that read one tensor share its statistics' nodes. */
function watched(graph: Graph, layers: ReadonlyMap<Node, LinearLayer>): Graph {
  const inputs = new Map<Tensor, { least: Tensor; greatest: Tensor; squares: Tensor; rows: Tensor }>();
  return rewriteGraph(graph, (node, copyOf, into) => {
    const layer = layers.get(node);
    if (!layer) return undefined;
    const { name, inWidth } = layer.weight;
    const x = copyOf(layer.input);
    let statistics = inputs.get(x);
    if (!statistics) {
      const overRows = (op: string): Tensor => into.node1(op, [x, into.int64s([0])], { shape: [inWidth] }, { keepdims: 0 });
      statistics = {
        least: overRows("ReduceMin"),
        greatest: overRows("ReduceMax"),
        squares: overRows("ReduceSumSquare"),
        rows: into.node1("Shape", [x], { dtype: "int64", shape: [2] }),
      };
      inputs.set(x, statistics);
    }
    for (const [kind, tensor] of Object.entries(statistics)) into.output(`${name}:${kind}`, tensor);
    return undefined;
  });
}

function statisticsOf(values: Readonly<Record<string, TensorValue>>, name: string): LinearStatistics {
  const floats = (kind: string): Float32Array => (values[`${name}:${kind}`] as TensorValue).data as Float32Array;
  const rows = Number((values[`${name}:rows`] as TensorValue).data[0]);
  return {
    least: floats("least"),
    greatest: floats("greatest"),
    meanSquare: floats("squares").map((sum) => sum / rows),
    rows,
  };
}

function together(a: LinearStatistics, b: LinearStatistics): LinearStatistics {
  return {
    least: a.least.map((value, i) => Math.min(value, b.least[i] as number)),
    greatest: a.greatest.map((value, i) => Math.max(value, b.greatest[i] as number)),
    meanSquare: a.meanSquare.map((value, i) => (value + (b.meanSquare[i] as number)) / 2),
    rows: Math.min(a.rows, b.rows),
  };
}
