import { GraphError } from "./graph-error.js";
import { Graph } from "./graph.js";
import type { Dim } from "./shape.js";
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
  const inputs = Object.fromEntries(graph.inputs.map(({ name, dtype, shape }) => [name, into.input(name, dtype, shape)]));
  for (const [name, tensor] of Object.entries(copyGraph(graph, into, { inputs, rewrite }))) into.output(name, tensor);
  return into;
}

/** How `copyGraph` joins a graph to another. */
export interface CopyGraphOptions {
  /** A tensor of the new graph for each input of the old one. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly rewrite?: NodeRewrite;
  /** New names of symbolic dimensions, which must not meet those of another graph by chance. */
  readonly dims?: Readonly<Record<string, string>>;
}

/**
 * Copies the nodes of a graph into another, with the weights that they read, under other names where theirs are taken.
 * @returns the tensors that stand for the old graph's outputs, by their names
 * @throws GraphError when an input has no tensor
 */
export function copyGraph(graph: Graph, into: Graph, { inputs, rewrite, dims = {} }: CopyGraphOptions): Record<string, Tensor> {
  const copies = new Map<Tensor, Tensor>();
  for (const input of graph.inputs) {
    const tensor = inputs[input.name];
    if (!tensor) throw new GraphError(`copyGraph: expected a tensor for the input "${input.name}", got none`);
    copies.set(input, tensor);
  }
  const weights = new Map(graph.weights.map((weight) => [weight.tensor, weight]));
  const renamed = (dim: Dim): Dim => (typeof dim === "number" ? dim : dim.split("*").map((factor) => dims[factor] ?? factor).join("*"));

  const copyOf = (tensor: Tensor): Tensor => {
    let copy = copies.get(tensor);
    if (!copy) {
      const weight = weights.get(tensor);
      if (!weight) throw new GraphError(`copyGraph: "${tensor.name}" is neither computed before it is read nor a weight`);
      copy = into.weight(into.unusedName(tensor.name), tensor.dtype, tensor.shape, weight.data);
      copies.set(tensor, copy);
    }
    return copy;
  };

  for (const node of graph.nodes) {
    const outputs = rewrite?.(node, copyOf, into) ?? copyNode(node, copyOf, into, renamed);
    node.outputs.forEach((tensor, i) => copies.set(tensor, outputs[i] as Tensor));
  }
  return Object.fromEntries(graph.outputs.map(({ name, tensor }) => [name, copyOf(tensor)]));
}

function copyNode(node: Node, copyOf: (tensor: Tensor) => Tensor, into: Graph, renamed: (dim: Dim) => Dim): Tensor[] {
  const outputs = node.outputs.map(({ dtype, shape }) => ({ dtype, shape: shape.map(renamed) }));
  return into.node(node.op, node.inputs.map((tensor) => tensor && copyOf(tensor)), outputs, node.attributes, node.domain);
}
