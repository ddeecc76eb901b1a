import type { Graph } from "../graph.js";
import { rewriteGraph } from "../rewrite-graph.js";
import { int8Linear, splitChannels, type SplitChannels } from "./int8-linear.js";
import { linearLayers } from "./linear-layers.js";
import type { Int8Layer } from "./plan-int8.js";
import type { Tensor } from "../tensor.js";

/**
 * The graph with the planned linear layers in int8 and everything else as it was. Weights are quantised when a session
 * opens, one at a time.
 * @param plan by the name of a layer's weight
 */
export function quantizeLinears(graph: Graph, plan: ReadonlyMap<string, Int8Layer>): Graph {
  const layers = linearLayers(graph);
  // Query, key and value read one tensor and mostly have the same outliers.
  const inputs = new Map<Tensor, Map<string, SplitChannels>>();
  const split = (x: Tensor, outliers: readonly number[], name: string): SplitChannels => {
    const known = inputs.get(x) ?? new Map<string, SplitChannels>();
    inputs.set(x, known);
    const key = outliers.join();
    const channels = known.get(key) ?? splitChannels(x, outliers, `${name}.kept`);
    known.set(key, channels);
    return channels;
  };
  return rewriteGraph(graph, (node, copyOf) => {
    const layer = layers.get(node);
    const int8 = layer && plan.get(layer.weight.name);
    if (!layer || !int8) return undefined;
    const bias = node.inputs[2];
    return [int8Linear(split(copyOf(layer.input), int8.outliers, layer.weight.name), layer.weight, bias && copyOf(bias))];
  });
}
