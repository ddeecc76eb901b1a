import type { Graph } from "../graph.js";
import { readFloat32Weight } from "../resolve-weights.js";
import type { Node, Tensor, Weight } from "../tensor.js";
import type { LinearWeight } from "./int8-linear.js";

/** A linear layer of a graph whose matrix is a weight. */
export interface LinearLayer {
  readonly node: Node;
  /** float32[rows, in] */
  readonly input: Tensor;
  readonly weight: LinearWeight;
}

/** The layers that `linear` built over a float32 weight of their own, by their node. */
export function linearLayers(graph: Graph): ReadonlyMap<Node, LinearLayer> {
  const weights = new Map(graph.weights.filter(({ tensor }) => tensor.dtype === "float32").map((weight) => [weight.tensor, weight]));
  const readers = new Map<Tensor, number>();
  for (const { inputs } of graph.nodes) for (const input of inputs) if (input) readers.set(input, (readers.get(input) ?? 0) + 1);
  const layers = new Map<Node, LinearLayer>();
  for (const node of graph.nodes) {
    const [input, matrix] = node.inputs;
    const weight = matrix && weights.get(matrix);
    if (node.op !== "Gemm" || node.attributes["transB"] !== 1 || node.attributes["transA"] === 1 || !input || !weight || readers.get(weight.tensor) !== 1) continue;
    layers.set(node, { node, input, weight: linearWeight(weight) });
  }
  return layers;
}

function linearWeight({ tensor, data }: Weight): LinearWeight {
  const [outWidth, inWidth] = tensor.shape as [number, number];
  return { name: tensor.name, outWidth, inWidth, read: () => readFloat32Weight(data) };
}
