import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

import { adamW, clipGradients, cosineLearningRate, movingAverage, pairLabels, ParameterSet, sigmoidPairLoss, softmaxPairLoss, towerRates, type CosineSchedule } from "../src/index.js";
import { relativeError } from "./losses/loss-cases.js";

function golden<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`goldens/${name}.json`, import.meta.url), "utf8")) as T;
}

interface Values {
  readonly weight: readonly number[];
  readonly bias: readonly number[];
}

const both = ({ weight, bias }: Values): number[] => [...weight, ...bias];
const shapes = new Map<string, readonly number[]>([["weight", [3, 4]], ["bias", [4]]]);

function started(start: Values): ParameterSet {
  const parameters = new ParameterSet(shapes);
  parameters.values.set(both(start));
  return parameters;
}

describe("against torch.optim", () => {
  const { start, steps, average } = golden<{ start: Values; steps: (Values & { gradients: Values; norm: number })[]; average: number[][] }>("optimizer");

  it("AdamW with two rates, decay on the matrix and clipped gradients takes the same eight steps", () => {
    const parameters = started(start);
    const optimizer = adamW({ weightDecay: 0.1, rateFactor: ({ name }) => (name === "bias" ? 0.1 : 1) });
    const state = optimizer.init(parameters);
    for (const step of steps) {
      const gradients = Float32Array.from(both(step.gradients));
      expect(relativeError([clipGradients(gradients, 3)], [step.norm])).toBeLessThan(1e-6);
      optimizer.update(parameters, gradients, state, 0.02);
      expect(relativeError(parameters.values, both(step))).toBeLessThan(1e-6);
    }
  });

  it("the moving average of those steps is the same", () => {
    const parameters = started(start);
    const ema = movingAverage({ decay: 0.9 });
    const state = ema.init(parameters);
    for (const step of steps) {
      parameters.values.set(both(step));
      ema.update(parameters, state);
    }
    expect(state.step).toBe(8);
    expect(relativeError(state.values, average.flat())).toBeLessThan(1e-6);
  });

  it("warm-up and cosine give the same rate at every step", () => {
    const { rates, ...schedule } = golden<CosineSchedule & { rates: number[] }>("schedule");
    expect(relativeError(rates.map((_, step) => cosineLearningRate(step, schedule)), rates)).toBeLessThan(1e-8);
  });

  it.each(["sigmoid", "softmax"] as const)("the %s loss and its gradients are autograd's", (kind) => {
    type Case = Readonly<Record<"images" | "texts", number[]>> & { logitScale: number; logitBias: number };
    const { inputs, ...want } = golden<{ inputs: Case; sigmoid: Case & { loss: number }; softmax: Case & { loss: number } }>("losses");
    const embeddings = { width: 5, images: Float32Array.from(inputs.images), texts: Float32Array.from(inputs.texts) };
    const labels = pairLabels({ images: 6, imageOfText: [0, 1, 2, 3, 4, 5] });
    const got = { sigmoid: sigmoidPairLoss, softmax: softmaxPairLoss }[kind](embeddings, labels, inputs);
    expect(relativeError([got.loss], [want[kind].loss])).toBeLessThan(1e-6);
    expect(relativeError(got.imageGradients, want[kind].images)).toBeLessThan(2e-6);
    expect(relativeError(got.textGradients, want[kind].texts)).toBeLessThan(2e-6);
    expect(got.logitScaleGradient).toBeCloseTo(want[kind].logitScale, 5);
    expect(got.logitBiasGradient).toBeCloseTo(want[kind].logitBias, 5);
  });
});

describe("clipGradients", () => {
  it("leaves gradients within the norm, and those that are no numbers, as they are", () => {
    const small = Float32Array.of(3, 4);
    expect(clipGradients(small, 5)).toBe(5);
    expect([...small]).toEqual([3, 4]);
    const broken = Float32Array.of(1, Number.NaN);
    expect(clipGradients(broken, 0.1)).toBeNaN();
    expect(broken[0]).toBe(1);
    expect(clipGradients(Float32Array.of(Number.POSITIVE_INFINITY), 1)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("movingAverage", () => {
  it("follows the first steps closely where it warms up", () => {
    const parameters = new ParameterSet(new Map([["x", [1]]]));
    const ema = movingAverage({ decay: 0.99, warmUp: true });
    const state = ema.init(parameters);
    parameters.values[0] = 11;
    ema.update(parameters, state);
    // (1 + 1) / (10 + 1) of the old value stay.
    expect(state.values[0]).toBeCloseTo(9, 5);
    for (let i = 0; i < 2000; i++) ema.update(parameters, state);
    parameters.values[0] = 12;
    ema.update(parameters, state);
    expect(state.values[0]).toBeCloseTo(11.01, 5);
  });

  it("refuses a decay of 1", () => {
    expect(() => movingAverage({ decay: 1 })).toThrow("movingAverage: expected a decay in [0, 1), got 1");
  });
});

describe("towerRates", () => {
  const layers = { image: 12, text: 2 };
  const rate = (name: string, options: Omit<Parameters<typeof towerRates>[0], "layers">): number => towerRates({ layers, ...options })({ name });

  it.each([
    ["vision_model.embeddings.position_embedding.weight", 0.1 * 0.5 ** 13],
    ["vision_model.encoder.layers.0.mlp.fc1.weight", 0.1 * 0.5 ** 12],
    ["vision_model.encoder.layers.11.mlp.fc1.lora_A.weight", 0.1 * 0.5],
    ["vision_model.head.probe", 0.1],
    ["text_model.embeddings.token_embedding.weight", 2 * 0.5 ** 3],
    ["text_model.encoder.layers.1.layer_norm1.bias", 2 * 0.5],
    ["text_model.final_layer_norm.bias", 2],
    ["logit_scale", 3],
    ["projector.weight", 1],
  ])("%s", (name, want) => {
    expect(rate(name, { image: 0.1, text: 2, temperature: 3, layerDecay: 0.5 })).toBeCloseTo(want, 12);
  });

  it("changes nothing by default, locks a tower at 0, refuses less", () => {
    expect(rate("vision_model.embeddings.patch_embedding.bias", {})).toBe(1);
    expect(rate("vision_model.head.probe", { image: 0 })).toBe(0);
    expect(() => rate("x", { layerDecay: -1 })).toThrow("towerRates: expected layerDecay to be at least 0, got -1");
  });
});
