import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { Graph, mul, reduceSum, sub } from "@sightline/graph";
import { describe, expect, it } from "vitest";

import { adamW, createSharedState, requestStop, trainableParameters, TrainingError, trainReplica, TrainSession, type ReplicaOptions, type SharedState, type TrainingGraph } from "../src/index.js";

/** Σ (x - target)², whose gradient is 2 (x - target). */
function quadratic(): TrainingGraph {
  const graph = new Graph();
  const { parameter, tensors } = trainableParameters(graph);
  const off = sub(parameter("x", [2]), graph.input("target", "float32", [2]));
  return { graph, loss: reduceSum(mul(off, off)), parameters: tensors };
}

const target = { target: { dtype: "float32" as const, shape: [2], data: Float32Array.of(3, -2) } };

function alone(shared: SharedState, saved: number[], changes: Partial<ReplicaOptions> = {}): ReplicaOptions {
  return {
    rank: 0,
    shared,
    training: quadratic(),
    optimizer: adamW({ beta2: 0.99 }),
    batch: () => target,
    learningRate: (step) => 0.2 * 0.98 ** step,
    maxGradientNorm: 1000,
    checkpoint: { everySteps: 100, save: async (_parameters, _optimizer, step) => void saved.push(step) },
    ...changes,
  };
}

describe("TrainSession", () => {
  it("gives loss and gradients, as views of one buffer", async () => {
    await using session = await TrainSession.open(quadratic(), { device: "cpu", threads: 1 });
    session.parameters.values.set([1, 1]);
    expect(await session.step(target)).toEqual({ loss: 13, metrics: {} });
    expect([...session.gradients]).toEqual([-4, 6]);
  });

  it("stops at a loss that is no number", async () => {
    await using session = await TrainSession.open(quadratic(), { device: "cpu", threads: 1 });
    session.parameters.values.set([Number.NaN, 0]);
    await expect(session.step(target)).rejects.toThrow(new TrainingError("TrainSession.step: the loss is NaN"));
  });
});

describe("trainReplica, alone", () => {
  it("trains a quadratic to its minimum and saves on the way and at the end", async () => {
    const shared = createSharedState(2, 1);
    const saved: number[] = [];
    const losses: number[] = [];
    for await (const { loss } of trainReplica(alone(shared, saved), 0, 250)) losses.push(loss);
    expect(losses).toHaveLength(250);
    expect(losses[0]).toBeCloseTo(13, 5);
    expect(shared.values[0]).toBeCloseTo(3, 2);
    expect(shared.values[1]).toBeCloseTo(-2, 2);
    expect(saved).toEqual([100, 200, 250]);
  });

  it("goes on from a step as if it had never stopped", async () => {
    const [whole, parts] = [createSharedState(2, 1), createSharedState(2, 1)];
    for await (const _ of trainReplica(alone(whole, []), 0, 20)) void _;
    for await (const _ of trainReplica(alone(parts, []), 0, 8)) void _;
    for await (const _ of trainReplica(alone(parts, []), 8, 20)) void _;
    expect(parts.values).toEqual(whole.values);
  });

  it("gives the norm before clipping, and steps by the clipped gradients", async () => {
    const shared = createSharedState(2, 1);
    const gradients: number[] = [];
    const optimizer: ReplicaOptions["optimizer"] = { ...adamW(), update: (_parameters, g) => void gradients.push(...g) };
    for await (const { norm } of trainReplica(alone(shared, [], { optimizer, maxGradientNorm: 1 }), 0, 1)) expect(norm).toBeCloseTo(Math.hypot(6, 4), 5);
    expect(Math.hypot(...gradients)).toBeCloseTo(1, 5);
  });

  it("stops after the step under way when asked, having saved it", async () => {
    const shared = createSharedState(2, 1);
    const saved: number[] = [];
    let last = 0;
    for await (const { step } of trainReplica(alone(shared, saved), 0, 50)) {
      last = step;
      if (step === 3) requestStop(shared);
    }
    expect(last).toBe(4);
    expect(saved).toEqual([4]);
  });
});

describe("several replicas", () => {
  it("need a whole number of at least one", () => {
    expect(() => createSharedState(2, 0)).toThrow(new TrainingError("createSharedState: expected at least one replica, got 0"));
    expect(() => createSharedState(2, 1.5)).toThrow(TrainingError);
  });

  it("wait for each other at every barrier, and sum in the order of their ranks", async () => {
    const shared = createSharedState(1, 3);
    const rounds = 200;
    // Each adds to its own gradient; nobody may see another's of an earlier round behind the barrier.
    const code = `
      import { workerData, parentPort } from "node:worker_threads";
      const { awaitAll } = await import(workerData.module);
      const { shared, rank, rounds } = workerData;
      let torn = 0;
      for (let round = 1; round <= rounds; round++) {
        shared.gradients[rank][0] = round;
        awaitAll(shared);
        if (shared.gradients.some((gradient) => gradient[0] !== round)) torn++;
        awaitAll(shared);
      }
      parentPort.postMessage(torn);
    `;
    const module = new URL("../dist/replicas/shared-state.js", import.meta.url).href;
    const workers = [0, 1, 2].map((rank) => new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { workerData: { module, shared, rank, rounds } }));
    const torn = await Promise.all(workers.map(async (worker) => (await once(worker, "message"))[0] as number));
    expect(torn).toEqual([0, 0, 0]);
    await Promise.all(workers.map((worker) => worker.terminate()));
  });
});
