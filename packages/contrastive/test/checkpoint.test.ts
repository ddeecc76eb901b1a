import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { openWeights } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { adamW, loadCheckpoint, ParameterSet, saveCheckpoint, TrainingError } from "../src/index.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "checkpoint-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

const shapes = new Map<string, readonly number[]>([["weight", [2, 3]], ["bias", [3]]]);

function started(): ParameterSet {
  const parameters = new ParameterSet(shapes);
  // Values whose last bits count: thirds, the smallest denormal, a negative zero.
  parameters.values.set([1 / 3, -1 / 7, 1e-45, -0, 3.4e38, Math.PI, 1e-8, -2 / 3, 0.1]);
  return parameters;
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.slice().buffer);
}

describe("a checkpoint", () => {
  it("brings back parameters, moments and steps to the last bit, and the next step is the same", async () => {
    const file = path.join(folder, "round-trip.safetensors");
    const optimizer = adamW({ weightDecay: 0.1 });
    const parameters = started();
    const state = optimizer.init(parameters);
    const gradients = Float32Array.from({ length: 9 }, (_, i) => Math.sin(i) / 3);
    optimizer.update(parameters, gradients, state, 1e-3);
    await saveCheckpoint(file, parameters, { optimizer: state, step: 17 });

    const loaded = new ParameterSet(shapes);
    const training = await loadCheckpoint(file, loaded, optimizer.init(loaded));
    expect(training.step).toBe(17);
    expect(training.optimizer.step).toBe(1);
    expect(bitsOf(loaded.values)).toEqual(bitsOf(parameters.values));
    expect(bitsOf(training.optimizer.firstMoment)).toEqual(bitsOf(state.firstMoment));
    expect(bitsOf(training.optimizer.secondMoment)).toEqual(bitsOf(state.secondMoment));

    optimizer.update(parameters, gradients, state, 1e-3);
    optimizer.update(loaded, gradients, training.optimizer, 1e-3);
    expect(bitsOf(loaded.values)).toEqual(bitsOf(parameters.values));
  });

  it("opens as weights, each parameter under its own name", async () => {
    const file = path.join(folder, "weights.safetensors");
    const parameters = started();
    await saveCheckpoint(file, parameters, { optimizer: adamW().init(parameters), step: 0 });
    await using weights = await openWeights(file);
    expect(weights.tensors.get("weight")!.shape).toEqual([2, 3]);
    expect(bitsOf(await weights.readFloat32("bias"))).toEqual(bitsOf(parameters.get("bias")));
  });

  it("of another shape is refused with both shapes, and a parameter that is not there by its name", async () => {
    const file = path.join(folder, "shapes.safetensors");
    const parameters = started();
    const optimizer = adamW();
    await saveCheckpoint(file, parameters, { optimizer: optimizer.init(parameters), step: 3 });
    const loadInto = (wanted: ReadonlyMap<string, readonly number[]>): Promise<unknown> => {
      const other = new ParameterSet(wanted);
      return loadCheckpoint(file, other, optimizer.init(other));
    };
    await expect(loadInto(new Map([["weight", [3, 2]], ["bias", [3]]]))).rejects.toThrow(
      new TrainingError(`loadCheckpoint: "weight" expected [3, 2], got [2, 3] in ${file}`),
    );
    await expect(loadInto(new Map([["gain", [9]]]))).rejects.toThrow(new TrainingError(`loadCheckpoint: "gain" expected [9], got nothing in ${file}`));
  });

  it("that holds more than the parameters is refused, since its moments belong to others too", async () => {
    const file = path.join(folder, "more.safetensors");
    const parameters = started();
    const optimizer = adamW();
    await saveCheckpoint(file, parameters, { optimizer: optimizer.init(parameters), step: 3 });
    const fewer = new ParameterSet(new Map([["bias", [3]]]));
    await expect(loadCheckpoint(file, fewer, optimizer.init(fewer))).rejects.toThrow(
      new TrainingError(`loadCheckpoint: "adamw.first_moment" expected [3], got [9] in ${file}`),
    );
  });

  it("that is damaged is refused by its name", async () => {
    const file = path.join(folder, "damaged.safetensors");
    await writeFile(file, new Uint8Array(20));
    const parameters = started();
    await expect(loadCheckpoint(file, parameters, adamW().init(parameters))).rejects.toThrow(/damaged\.safetensors/);
  });
});
