import { describe, expect, it } from "vitest";

import { adamW, cosineLearningRate, decaysByDefault, ParameterSet, scaleGradients, sumOfSquares, TrainingError } from "../src/index.js";

const shapes = new Map<string, readonly number[]>([["weight", [2, 2]], ["bias", [2]], ["t", [1]]]);

function started(): ParameterSet {
  const parameters = new ParameterSet(shapes);
  parameters.values.set([1, -2, 3, -4, 5, -6, 7]);
  return parameters;
}

describe("adamW", () => {
  const [beta1, beta2, epsilon, weightDecay, rate] = [0.9, 0.95, 1e-8, 0.1, 0.01];
  const gradients = [Float32Array.of(0.1, -0.2, 0, 0.4, 1, -1, 2), Float32Array.of(-0.3, -0.2, 0.1, 0.4, 1, 0, -2)];

  it("takes the steps of the paper's algorithm 2, with decay on matrices alone", () => {
    const parameters = started();
    const optimizer = adamW({ weightDecay });
    const state = optimizer.init(parameters);
    for (const g of gradients) optimizer.update(parameters, g, state, rate);
    expect(state.step).toBe(2);
    const start = started().values;
    for (let i = 0; i < start.length; i++) {
      let [x, m, v] = [start[i]!, 0, 0];
      gradients.forEach((g, step) => {
        m = beta1 * m + (1 - beta1) * g[i]!;
        v = beta2 * v + (1 - beta2) * g[i]! ** 2;
        const decay = i < 4 ? rate * weightDecay * x : 0;
        x -= decay + (rate * (m / (1 - beta1 ** (step + 1)))) / (Math.sqrt(v / (1 - beta2 ** (step + 1))) + epsilon);
      });
      expect(parameters.values[i], `element ${i}`).toBeCloseTo(x, 5);
    }
  });

  it("moves each element by the learning rate at the first step, whatever its gradient", () => {
    const parameters = started();
    const optimizer = adamW();
    optimizer.update(parameters, gradients[0]!, optimizer.init(parameters), rate);
    const moved = [...parameters.values].map((value, i) => value - started().values[i]!);
    [-rate, rate, 0, -rate, -rate, rate, -rate].forEach((by, i) => expect(moved[i]).toBeCloseTo(by, 6));
  });

  it("gives the same bits in two halves as in one piece", () => {
    const [whole, halves] = [started(), started()];
    const optimizer = adamW({ weightDecay });
    const wholeState = optimizer.init(whole);
    const halfState = optimizer.init(halves);
    for (const g of gradients) {
      optimizer.update(whole, g, wholeState, rate);
      // Threads share moments and values; each counts steps for itself. 3 lies inside a parameter.
      for (const range of [{ start: 0, end: 3 }, { start: 3, end: 7 }]) optimizer.update(halves, g, { ...halfState, step: wholeState.step - 1 }, rate, range);
    }
    expect(halves.values).toEqual(whole.values);
    expect(halfState.firstMoment).toEqual(wholeState.firstMoment);
    expect(halfState.secondMoment).toEqual(wholeState.secondMoment);
  });

  it("takes a factor on the rate of one parameter", () => {
    const parameters = started();
    const optimizer = adamW({ rateFactor: ({ name }) => (name === "t" ? 0 : 1) });
    optimizer.update(parameters, gradients[0]!, optimizer.init(parameters), rate);
    expect([...parameters.get("t")]).toEqual([7]);
    expect(parameters.get("bias")[0]).toBeCloseTo(5 - rate, 6);
  });

  it("decays matrices, not vectors, scalars or the pooling probe", () => {
    const decays = (shape: readonly number[]): boolean => decaysByDefault({ name: "x", shape, offset: 0, length: 1 });
    expect([[8, 4], [3, 2, 2], [8], [1], [], [1, 1, 8]].map(decays)).toEqual([true, true, false, false, false, false]);
  });
});

describe("gradients in a range", () => {
  it("are summed and scaled without touching the others", () => {
    const gradients = Float32Array.of(1, 2, 3, 4);
    expect(sumOfSquares(gradients, { start: 1, end: 3 })).toBe(13);
    scaleGradients(gradients, 10, { start: 1, end: 3 });
    expect([...gradients]).toEqual([1, 20, 30, 4]);
  });
});

describe("ParameterSet", () => {
  it("lays parameters side by side and gives views of them", () => {
    const parameters = started();
    expect([...parameters.get("bias")]).toEqual([5, -6]);
    parameters.get("bias").set([8, 9]);
    expect([...parameters.values]).toEqual([1, -2, 3, -4, 8, 9, 7]);
    expect(parameters.feeds()["weight"]).toMatchObject({ dtype: "float32", shape: [2, 2] });
  });

  it("refuses a buffer of another size and a name that it does not have", () => {
    expect(() => new ParameterSet(shapes, new Float32Array(6))).toThrow(new TrainingError("ParameterSet: the parameters need 7 elements, the buffer has 6"));
    expect(() => started().get("gain")).toThrow('there is no parameter "gain"');
  });
});

describe("cosineLearningRate", () => {
  const schedule = { peak: 8, warmupSteps: 4, totalSteps: 104, floor: 0.25 };

  it.each([
    ["the first step", 0, 2],
    ["the last step of the warm-up", 3, 8],
    ["the step after", 4, 8],
    ["the middle of the cosine", 54, 5],
    ["the end", 104, 2],
    ["later", 1000, 2],
  ])("at %s", (_, step, rate) => {
    expect(cosineLearningRate(step, schedule)).toBeCloseTo(rate, 10);
  });

  it("starts at the peak without warm-up and ends at 0 without a floor", () => {
    expect(cosineLearningRate(0, { peak: 3, warmupSteps: 0, totalSteps: 10 })).toBe(3);
    expect(cosineLearningRate(10, { peak: 3, warmupSteps: 0, totalSteps: 10 })).toBeCloseTo(0, 10);
  });
});
