import type { Graph } from "../graph.js";
import { rewriteGraph } from "../rewrite-graph.js";
import type { Node } from "../tensor.js";
import { plainAttention, plainMatMul } from "./plain-nodes.js";

/**
 * A graph as WebGPU should run it: matrix products of kinds that its provider lacks become plain ones, and so does
 * attention where the driver's fused kernel gives other numbers.
 * @param isRight whether a MultiHeadAttention node can be trusted on this machine
 */
export async function webgpuGraph(graph: Graph, isRight: (node: Node) => Promise<boolean>): Promise<Graph> {
  const plain = new Set<Node>();
  for (const node of graph.nodes) {
    if (node.op === "FusedMatMul" || (node.op === "MultiHeadAttention" && !(await isRight(node)))) plain.add(node);
  }
  if (plain.size === 0) return graph;
  return rewriteGraph(graph, (node, copyOf) => (plain.has(node) ? [node.op === "FusedMatMul" ? plainMatMul(node, copyOf) : plainAttention(node, copyOf)] : undefined));
}
