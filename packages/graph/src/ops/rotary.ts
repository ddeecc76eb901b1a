import { GraphError } from "../graph-error.js";
import { formatShape, knownDim } from "../shape.js";
import type { Tensor } from "../tensor.js";

/**
 * Rotary position embedding (Su et al. 2021) as one com.microsoft RotaryEmbedding node. Token s stands at position s.
 * Its derivative turns back by the same angle.
 * @param x float32[B, S, A·d], the heads side by side
 * @param cos float32[S, d/2]
 * @param sin float32[S, d/2]
 * @param heads A
 * @param interleaved whether neighbours (0, 1), (2, 3), ... turn together, as in the paper; without it i and i + d/2 do
 * (transformers' `rotate_half`)
 */
export function rotaryEmbedding(x: Tensor, cos: Tensor, sin: Tensor, heads: number, interleaved = false): Tensor {
  const headWidth = knownDim(x.shape.at(-1), "rotaryEmbedding") / heads;
  for (const table of [cos, sin]) {
    if (table.shape[0] !== x.shape[1] || table.shape[1] !== headWidth / 2) {
      throw new GraphError(`rotaryEmbedding: expected tables [${x.shape[1]}, ${headWidth / 2}], got ${formatShape(table.shape)}`);
    }
  }
  const { graph } = x;
  const attributes = { num_heads: heads, interleaved: interleaved ? 1 : 0 };
  const turn = (value: Tensor, sine: Tensor): Tensor =>
    graph.node1("RotaryEmbedding", [value, graph.int64s([0]), cos, sine], { shape: x.shape }, attributes, "com.microsoft");
  return graph.record(turn(x, sin), [x], (d) => [turn(d, graph.node1("Neg", [sin], { shape: sin.shape }))]);
}
