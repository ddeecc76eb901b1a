import { GraphError } from "../graph-error.js";
import { formatShape, knownDim } from "../shape.js";
import type { Tensor } from "../tensor.js";

/**
 * Rows of a table by index, as an embedding looks them up.
 * @param table float32[V, D]
 * @param indices int64[...], each in [0, V)
 * @returns float32[..., D]
 */
export function gatherRows(table: Tensor, indices: Tensor): Tensor {
  const [rows, width] = table.shape;
  if (table.shape.length !== 2 || rows === undefined || width === undefined) {
    throw new GraphError(`gatherRows: expected a table [V, D], got ${formatShape(table.shape)}`);
  }
  const { graph } = table;
  const y = graph.node1("Gather", [table, indices], { shape: [...indices.shape, width] }, { axis: 0 });
  return graph.record(y, [table], (d) => {
    const dims = graph.int64s([knownDim(rows, "gatherRows"), knownDim(width, "gatherRows")]);
    const zeros = graph.node1("Expand", [graph.scalar(0), dims], { shape: table.shape });
    const at = graph.node1("Unsqueeze", [indices, graph.int64s([-1])], { dtype: "int64", shape: [...indices.shape, 1] });
    return [graph.node1("ScatterND", [zeros, at, d], { shape: table.shape }, { reduction: "add" })];
  });
}
