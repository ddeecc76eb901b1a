import { describe, expect, it } from "vitest";
import { attention, broadcastTo, fusedAttention, Graph, GraphError, openSession, reshape, type Tensor, type TensorValue } from "../src/index.js";

const [heads, queries, keys, width] = [2, 3, 5, 8];

/** Reproducible values between -1 and 1. */
function values(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * seed));
}

function floats(shape: readonly number[], data: Float32Array): TensorValue {
  return { dtype: "float32", shape, data };
}

/** softmax(q kᵀ / sqrt(D/A)) v over the keys that `keep` names, by definition. */
function byHand(q: Float32Array, k: Float32Array, v: Float32Array, keep: readonly boolean[][]): Float32Array {
  const headWidth = width / heads;
  const out = new Float32Array(keep.length * queries * width);
  keep.forEach((kept, b) => {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < queries; i++) {
        const row = (b * queries + i) * width + h * headWidth;
        const scores = kept.map((keptKey, j) => {
          let score = 0;
          for (let d = 0; d < headWidth; d++) score += (q[row + d] as number) * (k[(b * keys + j) * width + h * headWidth + d] as number);
          return keptKey ? Math.exp(score / Math.sqrt(headWidth)) : 0;
        });
        const sum = scores.reduce((total, score) => total + score, 0);
        for (let d = 0; d < headWidth; d++) {
          out[row + d] = scores.reduce((total, score, j) => total + (score / sum) * (v[(b * keys + j) * width + h * headWidth + d] as number), 0);
        }
      }
    }
  });
  return out;
}

/** Runs both kinds of attention with a bias of 0 for kept keys and -30000 for others. */
async function run(keep: readonly boolean[][]): Promise<{ plain: TensorValue; fused: TensorValue; expected: Float32Array }> {
  const graph = new Graph();
  const [q, k, v] = (["q", "k", "v"] as const).map((name) => graph.input(name, "float32", ["B", name === "q" ? queries : keys, width])) as [Tensor, Tensor, Tensor];
  const keyBias = reshape(graph.input("keyBias", "float32", ["B", keys]), ["B", 1, 1, keys]);
  graph.output("plain", attention(q, k, v, { heads, bias: keyBias }));
  graph.output("fused", fusedAttention(q, k, v, { heads, bias: broadcastTo(keyBias, ["B", 1, queries, keys]) }));
  await using session = await openSession(graph, { device: "cpu", threads: 1 });
  const batch = keep.length;
  const [qs, ks, vs] = [values(batch * queries * width, 1), values(batch * keys * width, 2), values(batch * keys * width, 3)];
  const { plain, fused } = await session.run({
    q: floats([batch, queries, width], qs),
    k: floats([batch, keys, width], ks),
    v: floats([batch, keys, width], vs),
    keyBias: floats([batch, keys], Float32Array.from(keep.flat(), (kept) => (kept ? 0 : -30_000))),
  });
  return { plain: plain as TensorValue, fused: fused as TensorValue, expected: byHand(qs, ks, vs, keep) };
}

function furthest(got: TensorValue, want: Float32Array): number {
  expect(got.data).toHaveLength(want.length);
  return (got.data as Float32Array).reduce((most, value, i) => Math.max(most, Math.abs(value - (want[i] as number))), 0);
}

describe("attention with a bias", () => {
  it.each([
    ["that hides nothing", [[true, true, true, true, true]]],
    ["that hides other keys of each image", [[true, true, true, false, false], [true, false, false, false, false], [true, true, true, true, true]]],
  ])("looks at the kept keys only, plain and fused: one %s", async (_, keep) => {
    const { plain, fused, expected } = await run(keep);
    expect(furthest(plain, expected)).toBeLessThan(1e-6);
    expect(furthest(fused, expected)).toBeLessThan(1e-6);
  });

  it("refuses, fused, a bias that the node would not broadcast", () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", ["B", 4, 8]);
    const bias = graph.input("bias", "float32", ["B", 1, 1, 4]);
    expect(() => fusedAttention(x, x, x, { heads: 2, bias })).toThrow(new GraphError("fusedAttention: expected a bias [B or 1, 2 or 1, 4, 4], got [B, 1, 1, 4]"));
  });
});
