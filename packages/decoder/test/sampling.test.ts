import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadDecoder, type Decoder, type Generation, type GenerationResult, type SamplingOptions, type Segment } from "../src/index.js";
import { vocabularySize, writeTinyModel } from "./tiny-model.js";

let directory: string;
let decoder: Decoder;
/** `float32[V]`: the logits after `prompt`. */
let logits: Float32Array;

/** Ends with a repetition: after "abcab" comes "c" if it goes on. */
const prompt = textOf("xabcabcab");
const draws = 700;

function textOf(text: string): Segment[] {
  return [{ type: "tokens", tokens: Int32Array.from(Buffer.from(text)) }];
}

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "sightline-sampling-"));
  const file = path.join(directory, "flat.gguf");
  // A small norm before the output makes a distribution in which many tokens have a chance.
  await writeTinyModel(file, { seed: 11, outputNorm: 0.12 });
  decoder = await loadDecoder(file, { contextLength: 128, maxSequences: 2 });
  using sequence = decoder.createSequence();
  logits = await sequence.logits(prompt);
});
afterAll(async () => {
  await decoder[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

/** Tokens with their weights: what is left of a distribution after some steps. */
type Left = { readonly id: number; readonly logit: number }[];

function all(): Left {
  return [...logits].map((logit, id) => ({ id, logit }));
}

function softmax(left: Left): Map<number, number> {
  const highest = Math.max(...left.map(({ logit }) => logit));
  const weights = left.map(({ logit }) => Math.exp(logit - highest));
  const sum = weights.reduce((a, b) => a + b, 0);
  return new Map(left.map(({ id }, i) => [id, (weights[i] ?? 0) / sum]));
}

function sorted(left: Left): Left {
  return [...left].sort((a, b) => b.logit - a.logit);
}

const heat = (left: Left, temperature: number): Left => left.map(({ id, logit }) => ({ id, logit: logit / temperature }));

/** Keeps entries, in order, until their probabilities reach a sum. */
function untilSum(left: Left, of: Map<number, number>, sum: number, reached: (total: number, sum: number) => boolean): Left {
  const kept: Left = [];
  let total = 0;
  for (const entry of left) {
    kept.push(entry);
    total += of.get(entry.id) ?? 0;
    if (reached(total, sum)) break;
  }
  return kept;
}

/** One token after the prompt, for each of many seeds. */
async function drawTokens(sampling: SamplingOptions, count: number = draws): Promise<number[]> {
  using sequence = decoder.createSequence();
  const drawn: number[] = [];
  for (let seed = 0; seed < count; seed++) {
    const { usage } = await collect(sequence.generate(prompt, { maxTokens: 1, ignoreEnd: true, sampling: { ...sampling, seed } }), drawn);
    expect(usage.completionTokens).toBe(1);
  }
  return drawn;
}

async function collect(generation: Generation, into: number[]): Promise<GenerationResult> {
  for await (const { tokenIds } of generation) into.push(...tokenIds);
  return generation.result;
}

/**
 * What contradicts that tokens were drawn from a distribution: every one must be possible, and every likely one come about
 * as often as it should, within five standard deviations, and three more for rare ones.
 */
function misfits(drawn: readonly number[], expected: ReadonlyMap<number, number>): string[] {
  const counts = new Map<number, number>();
  for (const id of drawn) counts.set(id, (counts.get(id) ?? 0) + 1);
  const found: string[] = [];
  for (const id of counts.keys()) if (!((expected.get(id) ?? 0) > 0)) found.push(`token ${id} should never come`);
  for (const [id, p] of expected) {
    const [came, should] = [counts.get(id) ?? 0, p * drawn.length];
    if (Math.abs(came - should) > 5 * Math.sqrt(should * (1 - p)) + 3) found.push(`token ${id} came ${came} times instead of ${should}`);
  }
  return found;
}

const likeliest = (left: Left): number => sorted(left)[0]?.id ?? -1;

describe("each step gives the distribution that it says", () => {
  it("temperature", async () => {
    expect(misfits(await drawTokens({ temperature: 0.7 }), softmax(heat(all(), 0.7)))).toEqual([]);
    expect(misfits(await drawTokens({ temperature: 1.6 }), softmax(heat(all(), 1.6)))).toEqual([]);
  });

  it("topK", async () => {
    expect(misfits(await drawTokens({ topK: 5 }), softmax(sorted(all()).slice(0, 5)))).toEqual([]);
  });

  it("topP", async () => {
    const kept = untilSum(sorted(all()), softmax(all()), 0.3, (total, sum) => total >= sum);
    expect(kept.length).toBeGreaterThan(1);
    expect(misfits(await drawTokens({ topP: 0.3 }), softmax(kept))).toEqual([]);
  });

  it("minP", async () => {
    const p = softmax(all());
    const kept = all().filter(({ id }) => (p.get(id) ?? 0) >= 0.2 * Math.max(...p.values()));
    expect(kept.length).toBeGreaterThan(1);
    expect(misfits(await drawTokens({ minP: 0.2 }), softmax(kept))).toEqual([]);
  });

  it("minKeep, which goes before", async () => {
    expect(misfits(await drawTokens({ topP: 1e-4, minKeep: 4 }), softmax(sorted(all()).slice(0, 4)))).toEqual([]);
    expect(misfits(await drawTokens({ minP: 1, minKeep: 3 }), softmax(sorted(all()).slice(0, 3)))).toEqual([]);
  });

  it("typicalP: not always the likeliest", async () => {
    const p = softmax(all());
    const entropy = [...p.values()].reduce((sum, value) => sum - value * Math.log(value), 0);
    const strangeness = ({ id }: { id: number }): number => Math.abs(-Math.log(p.get(id) ?? 0) - entropy);
    const kept = untilSum(all().sort((a, b) => strangeness(a) - strangeness(b)), p, 0.1, (total, sum) => total > sum);
    expect(kept.some(({ id }) => id === likeliest(all()))).toBe(false);
    expect(misfits(await drawTokens({ typicalP: 0.1 }), softmax(kept))).toEqual([]);
  });

  it("topNSigma", async () => {
    const mean = logits.reduce((a, b) => a + b, 0) / logits.length;
    const deviation = Math.sqrt(logits.reduce((sum, x) => sum + (x - mean) ** 2, 0) / logits.length);
    const highest = Math.max(...logits);
    const kept = all().filter(({ logit }) => logit >= highest - deviation);
    expect(kept.length).toBeGreaterThan(1);
    expect(kept.length).toBeLessThan(vocabularySize);
    expect(misfits(await drawTokens({ topNSigma: 1 }), softmax(kept))).toEqual([]);
  });

  it("xtc: always, never, and about half of the time", async () => {
    const top = sorted(all()).slice(0, 6);
    const p = softmax(top);
    const threshold = 0.15;
    const above = top.filter(({ id }) => (p.get(id) ?? 0) >= threshold).length;
    expect(above).toBeGreaterThan(1);
    const without = softmax(top.slice(above - 1));
    expect(misfits(await drawTokens({ topK: 6, xtc: { probability: 1, threshold } }), without)).toEqual([]);
    expect(misfits(await drawTokens({ topK: 6, xtc: { probability: 0, threshold } }), p)).toEqual([]);
    const dropped = new Set(top.slice(0, above - 1).map(({ id }) => id));
    const kept = (await drawTokens({ topK: 6, xtc: { probability: 0.5, threshold } })).filter((id) => dropped.has(id)).length;
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThan(0.7 * draws);
  });

  it("dynamicTemperature: by the entropy of what is left", async () => {
    const top = sorted(all()).slice(0, 8);
    const p = [...softmax(top).values()];
    const entropy = p.reduce((sum, value) => sum - value * Math.log(value), 0) / Math.log(8);
    const temperature = 0.5 + (1.5 - 0.5) * entropy ** 2;
    const drawn = await drawTokens({ topK: 8, temperature: 1, dynamicTemperature: { range: 0.5, exponent: 2 } });
    expect(misfits(drawn, softmax(heat(top, temperature)))).toEqual([]);
  });

  it("repeat, frequency and presence penalties, over the prompt's last tokens", async () => {
    const counts = new Map<number, number>();
    for (const id of Buffer.from("abcabcab")) counts.set(id, (counts.get(id) ?? 0) + 1);
    const penalised = all().map(({ id, logit }) => {
      const count = counts.get(id);
      if (count === undefined) return { id, logit };
      return { id, logit: (logit <= 0 ? logit * 1.5 : logit / 1.5) - count * 0.4 - 0.8 };
    });
    const drawn = await drawTokens({ temperature: 1, repeatPenalty: 1.5, frequencyPenalty: 0.4, presencePenalty: 0.8, repeatLastN: 8 });
    expect(misfits(drawn, softmax(penalised))).toEqual([]);
    const preferred = [...softmax(all().map(({ id, logit }) => ({ id, logit: logit + (counts.has(id) ? 6 : 0) })))];
    expect(misfits(await drawTokens({ temperature: 1, presencePenalty: -6, repeatLastN: 8 }), new Map(preferred))).toEqual([]);
  });

  it("dry: the token that would go on with a repetition loses, unless a breaker stands between", async () => {
    const [a, c] = [..."ac"].map((letter) => letter.charCodeAt(0));
    const biased = { [c ?? 0]: 12 };
    const left = all().map(({ id, logit }) => ({ id, logit: logit + (id === c ? 12 : 0) }));
    // "abcab" has come before "ab": five tokens repeat, two of them for free.
    const penalised = left.map(({ id, logit }) => ({ id, logit: logit - (id === c ? 1.1 * 1.5 ** 3 : 0) }));
    const dry = { multiplier: 1.1, base: 1.5, allowedLength: 2, lastN: 20 };
    expect(misfits(await drawTokens({ temperature: 4, logitBias: biased, dry }), softmax(heat(penalised, 4)))).toEqual([]);
    expect(misfits(await drawTokens({ temperature: 4, logitBias: biased, dry: { ...dry, sequenceBreakers: [String.fromCharCode(a ?? 0)] } }), softmax(heat(left, 4)))).toEqual([]);
  });

  it("mirostat 2: the first token from those no more surprising than twice tau", async () => {
    const p = softmax(all());
    const tau = 4.2;
    const kept = all().filter(({ id }) => -Math.log2(p.get(id) ?? 0) <= 2 * tau);
    expect(kept.length).toBeGreaterThan(1);
    expect(kept.length).toBeLessThan(vocabularySize);
    expect(misfits(await drawTokens({ mirostat: { version: 2, tau } }), softmax(kept))).toEqual([]);
  });

  it("mirostat 1: the first token from the k likeliest, k from the slope of the first hundred", async () => {
    const top = sorted(all());
    const p = softmax(all());
    let [both, squares] = [0, 0];
    for (let i = 0; i < 99; i++) {
      const t = Math.log((i + 2) / (i + 1));
      both += t * Math.log((p.get(top[i]?.id ?? -1) ?? 0) / (p.get(top[i + 1]?.id ?? -1) ?? 1));
      squares += t * t;
    }
    const slope = both / squares;
    const tau = 4.2;
    const k = (((slope - 1) * 2 ** (2 * tau)) / (1 - vocabularySize ** -(slope - 1))) ** (1 / slope);
    expect(k).toBeGreaterThan(2);
    expect(misfits(await drawTokens({ mirostat: { version: 1, tau } }), softmax(top.slice(0, Math.trunc(k))))).toEqual([]);
  });

  it("adaptiveP: tokens near the target probability are preferred to the likeliest", async () => {
    const top = sorted(all()).slice(0, 6);
    const p = [...softmax(top).values()];
    const drawn = await drawTokens({ topK: 6, adaptiveP: { target: p[5] ?? 0, decay: 0.5 } });
    const often = (id: number | undefined): number => drawn.filter((other) => other === id).length;
    expect(drawn.every((id) => top.some((entry) => entry.id === id))).toBe(true);
    expect(often(top[5]?.id)).toBeGreaterThan(often(top[0]?.id));
  });

  it("all together in llama.cpp's order: penalties, top-k, top-p, min-p, temperature", async () => {
    const penalised = all().map(({ id, logit }) => ({ id, logit: logit - (Buffer.from("abcabcab").includes(id) ? 3 : 0) }));
    const top = sorted(penalised).slice(0, 12);
    const kept = untilSum(top, softmax(top), 0.8, (total, sum) => total >= sum);
    const p = softmax(kept);
    const last = kept.filter(({ id }) => (p.get(id) ?? 0) >= 0.3 * Math.max(...p.values()));
    expect(last.length).toBeGreaterThan(1);
    expect(last.length).toBeLessThan(kept.length);
    const drawn = await drawTokens({ presencePenalty: 3, repeatLastN: 8, topK: 12, topP: 0.8, minP: 0.3, temperature: 2.5 });
    expect(misfits(drawn, softmax(heat(last, 2.5)))).toEqual([]);
  });
});

describe("logit bias", () => {
  it("forces and bans tokens", async () => {
    expect(await drawTokens({ logitBias: { 65: 100 } }, 3)).toEqual([65, 65, 65]);
    const [first, second] = sorted(all());
    expect(await drawTokens({}, 1)).toEqual([first?.id]);
    expect(await drawTokens({ logitBias: new Map([[first?.id ?? 0, Number.NEGATIVE_INFINITY]]) }, 1)).toEqual([second?.id]);
  });

  it("moves the odds by its exponential", async () => {
    const biased = all().map(({ id, logit }) => ({ id, logit: logit + (id === 200 ? 4 : 0) }));
    expect(misfits(await drawTokens({ temperature: 1, logitBias: { 200: 4 } }), softmax(biased))).toEqual([]);
  });

  it("works beside mirostat", async () => {
    expect(await drawTokens({ mirostat: { version: 2 }, logitBias: { 65: 500 } }, 3)).toEqual([65, 65, 65]);
  });

  it("of every token is refused, and so is one outside the vocabulary", async () => {
    const everything = new Map(Array.from({ length: vocabularySize }, (_, id) => [id, Number.NEGATIVE_INFINITY]));
    await expect(drawTokens({ logitBias: everything }, 1)).rejects.toMatchObject({ code: "bad-option", message: expect.stringContaining("at least one token that is allowed") });
    await expect(drawTokens({ logitBias: { [vocabularySize]: 1 } }, 1)).rejects.toThrow(`logitBias: expected token ids from 0 to ${vocabularySize - 1}, got ${vocabularySize}`);
  });

  it("bans the tokens that the model says must not be generated", async () => {
    const file = path.join(directory, "suppressing.gguf");
    const banned = sorted(all()).slice(0, 3).map(({ id }) => id);
    await writeTinyModel(file, {
      seed: 11,
      outputNorm: 0.12,
      tweak: (metadata) => metadata.set("tokenizer.ggml.suppress_tokens", { type: "array", of: "int32", value: banned }),
    });
    await using suppressing = await loadDecoder(file, { contextLength: 128, maxSequences: 2 });
    using sequence = suppressing.createSequence();
    const drawn: number[] = [];
    await collect(sequence.generate(prompt, { maxTokens: 1, ignoreEnd: true }), drawn);
    expect(drawn).toEqual([sorted(all())[3]?.id]);
  });
});

describe("the seed", () => {
  const many: SamplingOptions = { temperature: 1.4, topK: 200, xtc: { probability: 0.5 }, dry: { multiplier: 0.8 }, minP: 0.001 };
  it.each<[string, SamplingOptions]>([
    ["a chain of many steps", many],
    ["mirostat 1", { mirostat: { version: 1 } }],
    ["mirostat 2", { mirostat: { version: 2 } }],
    ["adaptive p", { adaptiveP: { target: 0.2 } }],
  ])("decides what %s says", async (_, sampling) => {
    using sequence = decoder.createSequence();
    const say = async (seed: number): Promise<number[]> => {
      const ids: number[] = [];
      await collect(sequence.generate(prompt, { maxTokens: 30, ignoreEnd: true, sampling: { ...sampling, seed } }), ids);
      return ids;
    };
    const once = await say(1);
    expect(await say(1)).toEqual(once);
    expect(await say(2)).not.toEqual(once);
  });
});
