import { linear, type Shape, type Tensor } from "@sightline/graph";
import { describe, expect, it } from "vitest";
import { ConversationScorer, ConversationStep, rowsInMemory, seededUniform, TrainingError, type AdaptedParameterOptions, type ConversationBatch, type ConversationModel, type ConversationSizes, type DecoderConfig, type ParameterSet } from "../../src/index.js";

const base: DecoderConfig = { width: 8, layers: 2, heads: 4, keyValueHeads: 2, headWidth: 4, mlpWidth: 12, vocabularySize: 9, ropeTheta: 100, rmsNormEps: 1e-6 };
const decoders: Readonly<Record<string, DecoderConfig>> = {
  Qwen3: { ...base, queryKeyNorm: true },
  Qwen2: { ...base, attentionBias: true },
  Llama: { ...base, ropeInterleaved: true, untiedOutput: true, ropeDivisors: [1, 3] },
  "Gemma 3": { ...base, queryKeyNorm: true, activation: "gelu-tanh", outputNorms: true, normPlusOne: true, embeddingScale: Math.sqrt(8), window: { length: 3, period: 2, ropeTheta: 10 } },
};
const patchWidth = 5;

/** A decoder of fixed weights behind one layer that makes rows of patches; two rows a picture. */
function modelOf(decoder: DecoderConfig, imageAttention: "causal" | "both-ways" = "causal"): ConversationModel {
  return {
    decoder,
    imageAttention,
    rowsPerView: 2,
    pad: 0,
    frozen: (graph) => {
      const known = new Map<string, Tensor>();
      return (name: string, shape: Shape) => {
        const tensor = known.get(name) ?? graph.weight(name, "float32", shape, startOf(name, shape));
        known.set(name, tensor);
        return tensor;
      };
    },
    rows: (graph, views, parameter) => linear(graph.input("patches", "float32", [views, 2, patchWidth]), parameter("mm.0.weight", [decoder.width, patchWidth]), parameter("mm.0.bias", [decoder.width])),
  };
}

function startOf(name: string, shape: Shape): Float32Array {
  const count = shape.map(Number).reduce((a, b) => a * b, 1);
  const seed = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7);
  return Float32Array.from({ length: count }, (_, i) => (/norm/.test(name) ? 0.8 : 0) + 0.9 * (2 * seededUniform(seed, i) - 1));
}

const sizes: ConversationSizes = { conversations: 3, textTokens: 7, positions: 9, targets: 12, views: 3 };

/** Three conversations: a picture first; none; a picture among the text, of which two answers are learnt, one of them more. */
function batch(step = 0): ConversationBatch {
  const conversation = (places: number[], weights: number[]): { places: Int32Array; weights: Float32Array } => ({ places: Int32Array.from(places), weights: Float32Array.from(weights) });
  return {
    conversations: [conversation([-1, -2, 3, 4, 5], [0, 0, 0, 1, 1]), conversation([1, 2, 6], [0, 0, 1]), conversation([7, -1, -2, 8, 2, 3, 1, 5], [0, 0, 0, 1, 0, 0, 3, 1])],
    views: [1, 0, 1],
    images: rowsInMemory({ patches: { dtype: "float32", shape: [2, 2, patchWidth], data: Float32Array.from({ length: 20 }, (_, i) => 2 * seededUniform(4, i) - 1) } }),
    step,
  };
}

function fill(parameters: ParameterSet): void {
  for (const { name, shape } of parameters.slots) parameters.get(name).set(startOf(name, shape));
}

const everything: Omit<AdaptedParameterOptions, "frozen"> = { trains: () => true };

/** The largest difference between gradients and five-point differences of the loss, against the largest gradient. */
async function gradientError(step: ConversationStep): Promise<number> {
  const { parameters } = step;
  await step.run(batch());
  const analytic = step.gradients.slice();
  const size = Math.max(...analytic.map(Math.abs));
  const lossAt = async (i: number, value: number): Promise<number> => {
    const before = parameters.values[i] as number;
    parameters.values[i] = value;
    const { loss } = await step.run(batch());
    parameters.values[i] = before;
    return loss;
  };
  let worst = 0;
  // One in each parameter, and then every so many: each costs four passes.
  const places = new Set([...parameters.slots.map(({ offset, length }) => offset + Math.floor(length / 2)), ...Array.from({ length: 24 }, (_, i) => Math.floor((i * parameters.values.length) / 24))]);
  for (const i of places) {
    const at = parameters.values[i] as number;
    const h = 0.004;
    const near = (await lossAt(i, at + h)) - (await lossAt(i, at - h));
    const far = (await lossAt(i, at + 2 * h)) - (await lossAt(i, at - 2 * h));
    worst = Math.max(worst, Math.abs((8 * near - far) / (12 * h) - (analytic[i] as number)) / size);
  }
  return worst;
}

describe("ConversationStep", () => {
  it.each(Object.entries(decoders))("has the gradients of finite differences through a decoder of %s' kind, to 3e-3 of the largest", async (_, decoder) => {
    await using step = await ConversationStep.open({ model: modelOf(decoder), adaptation: everything, sizes, seed: 1, threads: 1 });
    fill(step.parameters);
    expect(await gradientError(step)).toBeLessThan(3e-3);
  });

  it("has them where the rows of a picture look at each other, which changes the loss of what has a picture", async () => {
    const gemma = decoders["Gemma 3"] as DecoderConfig;
    await using step = await ConversationStep.open({ model: modelOf(gemma, "both-ways"), adaptation: everything, sizes, seed: 1, threads: 1 });
    fill(step.parameters);
    expect(await gradientError(step)).toBeLessThan(3e-3);
    await using causal = await ConversationStep.open({ model: modelOf(gemma), adaptation: everything, sizes, seed: 1, threads: 1 });
    fill(causal.parameters);
    const only = (kept: number): ConversationBatch => ({ ...batch(), conversations: batch().conversations.map(({ places, weights }, c) => ({ places, weights: c === kept ? weights : new Float32Array(places.length) })) });
    const difference = async (kept: number): Promise<number> => Math.abs((await step.run(only(kept))).loss - (await causal.run(only(kept))).loss);
    expect(await difference(0)).toBeGreaterThan(1e-3);
    expect(await difference(1)).toBeLessThan(1e-6);
    expect(await difference(2)).toBeGreaterThan(1e-3);
  });

  it("has them through adapters, with the decoder's own weights left alone", async () => {
    const lora = { rank: 2, alpha: 3, targets: (name: string) => name.endsWith("_proj.weight") };
    await using step = await ConversationStep.open({ model: modelOf(decoders["Qwen3"] as DecoderConfig), adaptation: { trains: (name) => name.startsWith("mm."), lora }, sizes, seed: 1, threads: 1 });
    expect(step.parameters.slots.filter(({ name }) => !/^mm\.|lora_[AB]/.test(name))).toEqual([]);
    expect(step.parameters.slots).toHaveLength(2 + 2 * 7 * 2);
    fill(step.parameters);
    expect(await gradientError(step)).toBeLessThan(3e-3);
  });

  it("gives the loss and gradients of the whole batch in chunks, whatever their sizes", async () => {
    const model = modelOf(decoders["Qwen3"] as DecoderConfig);
    const run = async (conversations: number): Promise<{ loss: number; gradients: Float32Array }> => {
      await using step = await ConversationStep.open({ model, adaptation: everything, sizes: { ...sizes, conversations }, seed: 1, threads: 1 });
      fill(step.parameters);
      const { loss, figures } = await step.run(batch());
      expect(figures["answerTokens"]).toBe(6);
      return { loss, gradients: step.gradients.slice() };
    };
    const whole = await run(3);
    for (const chunk of [1, 2]) {
      const parts = await run(chunk);
      expect(parts.loss).toBeCloseTo(whole.loss, 5);
      expect(parts.gradients.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (whole.gradients[i] as number))), 0)).toBeLessThan(1e-5);
    }
  });

  it("counts what is learnt by its weight: the loss is the weighted mean of single answers' losses", async () => {
    const model = modelOf(decoders["Qwen3"] as DecoderConfig);
    await using step = await ConversationStep.open({ model, adaptation: everything, sizes, seed: 1, threads: 1 });
    fill(step.parameters);
    const all = batch();
    let [sum, weights] = [0, 0];
    for (const [c, { weights: own }] of all.conversations.entries()) {
      for (const [s, weight] of own.entries()) {
        if (weight === 0) continue;
        const alone = all.conversations.map(({ places, weights: others }, i) => ({ places, weights: others.map((_, t) => (i === c && t === s ? 1 : 0)) }));
        sum += weight * (await step.run({ ...all, conversations: alone })).loss;
        weights += weight;
      }
    }
    expect(weights).toBe(8);
    expect((await step.run(all)).loss).toBeCloseTo(sum / weights, 5);
  });

  it("says when nothing is trained, and when nothing of a batch is learnt", async () => {
    const model = modelOf(decoders["Qwen3"] as DecoderConfig);
    await expect(ConversationStep.open({ model, adaptation: {}, sizes, seed: 1 })).rejects.toThrow("nothing is trained");
    await using step = await ConversationStep.open({ model, adaptation: everything, sizes, seed: 1, threads: 1 });
    const silent = batch().conversations.map(({ places }) => ({ places, weights: new Float32Array(places.length) }));
    await expect(step.run({ ...batch(), conversations: silent })).rejects.toThrow(TrainingError);
  });
});

describe("ConversationScorer", () => {
  it("gives the step's loss, its perplexity, and the shares that greedy decoding would get right", async () => {
    const model = modelOf(decoders["Qwen3"] as DecoderConfig);
    await using step = await ConversationStep.open({ model, adaptation: everything, sizes, seed: 1, threads: 1 });
    fill(step.parameters);
    await using scorer = await ConversationScorer.open({ model, adaptation: everything, sizes: { ...sizes, conversations: 2 }, threads: 1 });
    const { loss, figures } = await step.run(batch());
    const scored = await scorer.score(step.parameters, batch());
    expect(scored.loss).toBeCloseTo(loss, 5);
    expect(scored.perplexity).toBeCloseTo(Math.exp(loss), 3);
    expect(scored.tokenAccuracy).toBeCloseTo(figures["tokenAccuracy"] as number, 6);
    // Labels that the decoder would say itself make every answer right.
    const forward = async (conversations: ConversationBatch["conversations"]): Promise<number> => (await scorer.score(step.parameters, { ...batch(), conversations })).exactMatch;
    const short = batch().conversations[1] as { places: Int32Array; weights: Float32Array };
    const answers = await Promise.all(Array.from({ length: 9 }, (_, id) => forward([{ places: Int32Array.from([...short.places.slice(0, 2), id]), weights: short.weights }])));
    expect(answers.filter((share) => share === 1)).toHaveLength(1);
    expect(answers.filter((share) => share === 0)).toHaveLength(8);
  });
});
