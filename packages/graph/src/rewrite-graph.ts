import { GraphError } from "./graph-error.js";
import { Graph } from "./graph.js";
import type { Node, Tensor } from "./tensor.js";

/**
 * What stands for a node in the new graph: tensors of `into` for its outputs, or undefined to copy it.
 * @param copyOf the tensor of `into` that stands for one of the old graph: a weight, an input, or what came before
 */
export type NodeRewrite = (node: Node, copyOf: (tensor: Tensor) => Tensor, into: Graph) => readonly Tensor[] | undefined;

/**
 * A graph with the same inputs and outputs in which some nodes are others. Weights that the new nodes do not read are
 * left behind. The result can be run, not differentiated: its tape is empty.
 */
export function rewriteGraph(graph: Graph, rewrite: NodeRewrite): Graph {
  const into = new Graph(graph);
  const copies = new Map<Tensor, Tensor>();
  for (const input of graph.inputs) copies.set(input, into.input(input.name, input.dtype, input.shape));
  const weights = new Map(graph.weights.map((weight) => [weight.tensor, weight]));

  const copyOf = (tensor: Tensor): Tensor => {
    let copy = copies.get(tensor);
    if (!copy) {
      const weight = weights.get(tensor);
      if (!weight) throw new GraphError(`rewriteGraph: "${tensor.name}" is neither computed before it is read nor a weight`);
      copy = into.weight(tensor.name, tensor.dtype, tensor.shape, weight.data);
      copies.set(tensor, copy);
    }
    return copy;
  };

  for (const node of graph.nodes) {
    const outputs =
      rewrite(node, copyOf, into) ?? into.node(node.op, node.inputs.map((tensor) => tensor && copyOf(tensor)), node.outputs, node.attributes, node.domain);
    node.outputs.forEach((tensor, i) => copies.set(tensor, outputs[i] as Tensor));
  }
  for (const { name, tensor } of graph.outputs) into.output(name, copyOf(tensor));
  return into;
}
