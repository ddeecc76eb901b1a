import { describe, expect, it } from "vitest";

import { adamW, isHiddenMatrix, muon, ParameterSet, TrainingError, type AdamWState } from "../src/index.js";

const shapes = new Map<string, readonly number[]>([
  ["fc1.weight", [6, 4]],
  ["embeddings.token_embedding.weight", [5, 4]],
  ["fc2.weight", [4, 6]],
  ["fc2.bias", [4]],
  ["fc3.weight", [4, 6]],
]);
const rate = 0.01;

function wave(length: number, phase: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(1.3 * i + phase) + 0.4 * Math.cos(0.7 * i * i));
}

function started(): ParameterSet {
  const parameters = new ParameterSet(shapes);
  parameters.values.set(wave(parameters.values.length, 1));
  return parameters;
}

type Matrix = readonly (readonly number[])[];
const transposed = (m: Matrix): Matrix => (m[0] as readonly number[]).map((_, j) => m.map((row) => row[j] as number));
const product = (a: Matrix, b: Matrix): Matrix => a.map((row) => transposed(b).map((column) => row.reduce((sum, x, k) => sum + x * (column[k] as number), 0)));
const combine = (a: Matrix, x: number, b: Matrix, y: number): Matrix => a.map((row, i) => row.map((value, j) => x * value + y * ((b[i] as readonly number[])[j] as number)));
const matrix = (values: Float32Array, [rows, columns]: readonly number[]): Matrix => Array.from({ length: rows as number }, (_, i) => [...values.subarray(i * (columns as number), (i + 1) * (columns as number))]);

/** The Newton–Schulz iteration of Jordan et al. 2024 as published: in float64, on the wide side. */
function orthogonalized(m: Matrix): Matrix {
  const tall = m.length > (m[0] as readonly number[]).length;
  let x = tall ? transposed(m) : m;
  const norm = Math.hypot(...x.flat());
  x = x.map((row) => row.map((value) => value / norm));
  for (let i = 0; i < 5; i++) {
    const a = product(x, transposed(x));
    x = combine(x, 3.4445, product(combine(a, -4.775, product(a, a), 2.0315), x), 1);
  }
  return tall ? transposed(x) : x;
}

describe("muon", () => {
  it("steps by the orthogonalised Nesterov momentum, scaled to AdamW's size, with decoupled decay", async () => {
    const [parameters, weightDecay, beta] = [started(), 0.1, 0.95];
    const optimizer = muon({ weightDecay });
    const state = optimizer.init(parameters);
    const gradients = [wave(parameters.values.length, 0.3), wave(parameters.values.length, 2)];
    for (const g of gradients) await optimizer.update(parameters, g, state, rate);
    await optimizer[Symbol.asyncDispose]?.();
    for (const name of ["fc1.weight", "fc2.weight", "fc3.weight"]) {
      const shape = shapes.get(name)!;
      let x = matrix(started().get(name), shape);
      let m = x.map((row) => row.map(() => 0)) as Matrix;
      for (const g of gradients) {
        const gradient = matrix(parameters.view(g, name), shape);
        m = combine(m, beta, gradient, 1 - beta);
        const step = orthogonalized(combine(m, beta, gradient, 1 - beta));
        x = combine(x, 1 - rate * weightDecay, step, -rate * 0.2 * Math.sqrt(6));
      }
      x.flat().forEach((value, i) => expect(parameters.get(name)[i], `${name}[${i}]`).toBeCloseTo(value, 5));
    }
  });

  it("brings the singular values of a step near 1, however far apart they were", async () => {
    const parameters = new ParameterSet(new Map([["fc.weight", [2, 3]]]));
    const optimizer = muon();
    // Singular values 10 and 0.5.
    await optimizer.update(parameters, Float32Array.of(10, 0, 0, 0, 0.5, 0), optimizer.init(parameters), 1);
    const step = matrix(parameters.values, [2, 3]).map((row) => row.map((value) => -value / (0.2 * Math.sqrt(3))));
    const [[first, cross], [, second]] = product(step, transposed(step)) as [[number, number], [number, number]];
    for (const square of [first, second]) expect(Math.sqrt(square)).toBeGreaterThan(0.65);
    for (const square of [first, second]) expect(Math.sqrt(square)).toBeLessThan(1.25);
    expect(Math.abs(cross)).toBeLessThan(1e-5);
  });

  it("leaves tables and vectors to AdamW", async () => {
    const [mixed, plain] = [started(), started()];
    const [optimizer, reference] = [muon({ weightDecay: 0.1 }), adamW({ weightDecay: 0.1 })];
    const [state, referenceState] = [optimizer.init(mixed), reference.init(plain)];
    for (const phase of [0.2, 0.9]) {
      await optimizer.update(mixed, wave(mixed.values.length, phase), state, rate);
      await reference.update(plain, wave(plain.values.length, phase), referenceState, rate);
    }
    for (const name of ["embeddings.token_embedding.weight", "fc2.bias"]) expect(mixed.get(name)).toEqual(plain.get(name));
    expect(mixed.get("fc1.weight")).not.toEqual(plain.get("fc1.weight"));
  });

  it("gives the same bits when threads share a step, parameter by parameter", async () => {
    const [whole, parts] = [started(), started()];
    const optimizer = muon({ weightDecay: 0.1 });
    const state = optimizer.init(whole);
    const partState: AdamWState = optimizer.init(parts);
    const border = whole.slots[2]!.offset;
    for (const phase of [0.2, 0.9]) {
      const step = state.step;
      await optimizer.update(whole, wave(whole.values.length, phase), state, rate);
      for (const range of [{ start: 0, end: border }, { start: border, end: whole.values.length }]) {
        await optimizer.update(parts, wave(whole.values.length, phase), { ...partState, step }, rate, range);
      }
    }
    expect(parts.values).toEqual(whole.values);
  });

  it("refuses a range that cuts through a matrix", async () => {
    const parameters = started();
    const optimizer = muon();
    const update = optimizer.update(parameters, wave(parameters.values.length, 0), optimizer.init(parameters), rate, { start: 0, end: 10 });
    await expect(update).rejects.toThrow(new TrainingError('muon: expected ranges of whole parameters, got elements 0 to 10, which cut through "fc1.weight"'));
  });

  it("takes matrices inside the network alone", () => {
    const taken = (name: string, shape: readonly number[]): boolean => isHiddenMatrix({ name, shape, offset: 0, length: 1 });
    expect(taken("model.layers.0.self_attn.q_proj.weight", [8, 8])).toBe(true);
    expect(taken("mm.0.weight", [8, 4])).toBe(true);
    expect(taken("model.embed_tokens.weight", [100, 8])).toBe(false);
    expect(taken("vision_model.embeddings.patch_embedding.weight", [8, 3, 2, 2])).toBe(false);
    expect(taken("vision_model.head.probe", [1, 1, 8])).toBe(false);
    expect(taken("patch_classifier.weight", [9, 8])).toBe(false);
    expect(taken("layer_norm1.weight", [8])).toBe(false);
    expect(taken("logit_scale", [1])).toBe(false);
  });
});
