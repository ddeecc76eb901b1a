import { Graph, softplus, type Tensor } from "@sightline/graph";

/** The logit of a pair that does not count: sigmoid and softplus of it are 0. */
export const uncounted = -1e4;

/**
 * One tile of the sigmoid loss over ordinary negatives, and of its gradients. Listed pairs come with their logits'
 * gradients, which are put in place of the tile's own.
 * Inputs: `x` float32[R, D], unit rows times t; `y` float32[C, D], unit rows; `bias` float32[1]; `at` int64[E, 2] and
 * `gradient` float32[E], the listed pairs; `dx` float32[R, D] and `dy` float32[C, D], the sums so far;
 * `minLogit` float32[R, 1] and `maxLogit` float32[1] where negatives are selected.
 * Outputs: `loss` and `bias gradient` float32[], `dx sum`, `dy sum`.
 */
export function gradientTile(width: number, selects: boolean): Graph {
  const graph = new Graph();
  const { x, y, at, logits } = tileLogits(graph, width, selects);
  const shape = logits.shape;
  const kept = selects ? keepFrom(logits, graph.input("minLogit", "float32", ["R", 1])) : logits;
  const sigmoids = graph.node1("Sigmoid", [kept], { shape });
  graph.output("loss", sum(softplus(kept)));
  // Nothing else reads the sigmoids, so that they are overwritten in place.
  const gradients = graph.node1("ScatterND", [sigmoids, at, graph.input("gradient", "float32", ["E"])], { shape });
  graph.output("bias gradient", sum(gradients));
  // The sums so far are Gemm's third operand, so that they are added where the product is written.
  graph.output("dx sum", graph.node1("Gemm", [gradients, y, graph.input("dx", "float32", ["R", width])], { shape: ["R", width] }));
  graph.output("dy sum", graph.node1("Gemm", [gradients, x, graph.input("dy", "float32", ["C", width])], { shape: ["C", width] }, { transA: 1 }));
  return graph;
}

/** The k largest logits of ordinary negatives in each row of a tile: inputs as above and `k` int64[1]; output `largest` float32[R, k]. */
export function hardestTile(width: number): Graph {
  const graph = new Graph();
  const { logits } = tileLogits(graph, width, true);
  const k = graph.input("k", "int64", [1]);
  const [largest] = graph.node("TopK", [logits, k], [{ shape: ["R", "K"] }, { dtype: "int64", shape: ["R", "K"] }]);
  graph.output("largest", largest as Tensor);
  return graph;
}

function tileLogits(graph: Graph, width: number, selects: boolean): Readonly<Record<"x" | "y" | "at" | "logits", Tensor>> {
  const x = graph.input("x", "float32", ["R", width]);
  const y = graph.input("y", "float32", ["C", width]);
  const at = graph.input("at", "int64", ["E", 2]);
  const shape = ["R", "C"];
  const all = graph.node1("Gemm", [x, y, graph.input("bias", "float32", [1])], { shape }, { transB: 1 });
  const logits = graph.node1("ScatterND", [all, at, graph.input("uncounted", "float32", ["E"])], { shape });
  if (!selects) return { x, y, at, logits };
  const over = graph.node1("Greater", [logits, graph.input("maxLogit", "float32", [1])], { dtype: "bool", shape });
  return { x, y, at, logits: graph.node1("Where", [over, graph.scalar(uncounted), logits], { shape }) };
}

function keepFrom(logits: Tensor, least: Tensor): Tensor {
  const { graph, shape } = logits;
  const kept = graph.node1("GreaterOrEqual", [logits, least], { dtype: "bool", shape });
  return graph.node1("Where", [kept, logits, graph.scalar(uncounted)], { shape });
}

function sum(x: Tensor): Tensor {
  return x.graph.node1("ReduceSum", [x], { shape: [] }, { keepdims: 0 });
}
