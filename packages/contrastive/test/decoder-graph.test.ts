import { Graph, openSession } from "@sightline/graph";
import { describe, expect, it } from "vitest";

import { buildDecoder, trainableParameters, type DecoderConfig } from "../src/index.js";

const config: DecoderConfig = { width: 16, layers: 2, heads: 2, headWidth: 8, mlpWidth: 24, vocabularySize: 11, ropeTheta: 10000, rmsNormEps: 1e-6, queryKeyNorm: true };

/** Hidden states, float32[1, S, W], of embeddings, with weights that depend on their name's place alone. */
async function hiddenOf(embeddings: Float32Array): Promise<Float32Array> {
  const length = embeddings.length / config.width;
  const graph = new Graph();
  const x = graph.input("x", "float32", [1, length, config.width]);
  let seed = 0;
  const weights = new Map<string, ReturnType<Graph["weight"]>>();
  const decoder = buildDecoder((name, shape) => {
    let weight = weights.get(name);
    if (!weight) {
      const count = shape.reduce<number>((product, dim) => product * Number(dim), 1);
      const at = ++seed;
      weight = graph.weight(name, "float32", shape, Float32Array.from({ length: count }, (_, i) => Math.sin(at * 31 + i * 1.7) * 0.5 + (shape.length === 1 ? 1 : 0)));
      weights.set(name, weight);
    }
    return weight;
  }, config);
  const hidden = decoder.hidden(x);
  expect(hidden.shape).toEqual([1, length, config.width]);
  graph.output("hidden", hidden);
  await using session = await openSession(graph, { device: "cpu", threads: 1 });
  return (await session.run({ x: { dtype: "float32", shape: [1, length, config.width], data: embeddings } }))["hidden"]!.data as Float32Array;
}

function embeddings(length: number): Float32Array {
  return Float32Array.from({ length: length * config.width }, (_, i) => Math.cos(i * 0.37));
}

describe("a Qwen3 decoder", () => {
  it("looks back only: another token in place 4 leaves places 0 to 3 as they were and changes 4 and 5", async () => {
    const before = await hiddenOf(embeddings(6));
    const changed = embeddings(6);
    changed.fill(0.3, 4 * config.width, 5 * config.width);
    const after = await hiddenOf(changed);
    const row = (values: Float32Array, i: number): Float32Array => values.subarray(i * config.width, (i + 1) * config.width);
    for (const place of [0, 1, 2, 3]) expect(row(after, place), `place ${place}`).toEqual(row(before, place));
    for (const place of [4, 5]) expect(row(after, place), `place ${place}`).not.toEqual(row(before, place));
  });

  it("tells places apart: the order of the tokens before matters to a token after them", async () => {
    const straight = embeddings(4);
    const swapped = straight.slice();
    swapped.set(straight.subarray(0, config.width), config.width);
    swapped.set(straight.subarray(config.width, 2 * config.width), 0);
    const last = (values: Float32Array): Float32Array => values.subarray(3 * config.width);
    expect(last(await hiddenOf(swapped))).not.toEqual(last(await hiddenOf(straight)));
  });

  it("asks for Qwen3's parameters by transformers' names, and ties the token table", () => {
    const graph = new Graph();
    const { parameter, shapes } = trainableParameters(graph);
    const decoder = buildDecoder(parameter, config);
    const hidden = decoder.hidden(graph.input("x", "float32", [1, 3, config.width]));
    expect(decoder.logits(hidden).shape).toEqual([1, 3, 11]);
    const expected = [0, 1].flatMap((i) => [
      [`model.layers.${i}.input_layernorm.weight`, [16]],
      [`model.layers.${i}.self_attn.q_proj.weight`, [16, 16]],
      [`model.layers.${i}.self_attn.k_proj.weight`, [16, 16]],
      [`model.layers.${i}.self_attn.v_proj.weight`, [16, 16]],
      [`model.layers.${i}.self_attn.o_proj.weight`, [16, 16]],
      [`model.layers.${i}.self_attn.q_norm.weight`, [8]],
      [`model.layers.${i}.self_attn.k_norm.weight`, [8]],
      [`model.layers.${i}.post_attention_layernorm.weight`, [16]],
      [`model.layers.${i}.mlp.gate_proj.weight`, [24, 16]],
      [`model.layers.${i}.mlp.up_proj.weight`, [24, 16]],
      [`model.layers.${i}.mlp.down_proj.weight`, [16, 24]],
    ] as [string, number[]][]);
    expect(Object.fromEntries(shapes)).toEqual({ ...Object.fromEntries(expected), "model.norm.weight": [16], "model.embed_tokens.weight": [11, 16] });
  });
});
