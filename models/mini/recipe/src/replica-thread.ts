import { appendFile } from "node:fs/promises";
import { parentPort, workerData } from "node:worker_threads";
import { cosineLearningRate, muon, saveCheckpoint, trainReplica } from "@sightline/contrastive";
import { Random } from "./scenes/random.js";
import { stageFile } from "./stage.js";
import { createStage } from "./stages.js";
import type { ReplicaAssignment } from "./train-stage.js";

/** The thread of one replica: its part of every step. Rank 0 also saves, evaluates, keeps the log and reports. */
const { options, rank, shared, fromStep } = workerData as ReplicaAssignment;
const stage = await createStage(options);
const optimizer = muon({ weightDecay: stage.weightDecay, ...(stage.rateFactor ? { rateFactor: stage.rateFactor } : {}) });
let lines = "";

const steps = trainReplica(
  {
    rank,
    shared,
    training: stage.training,
    optimizer,
    batch: (step) => stage.batch(Random.fromSeed(stage.seed, rank, step), step / stage.schedule.totalSteps),
    learningRate: (step) => cosineLearningRate(step, stage.schedule),
    maxGradientNorm: 1,
    checkpoint: {
      everySteps: 200,
      async save(parameters, state, step) {
        await saveCheckpoint(stageFile(options, "safetensors"), parameters, { optimizer: state, step });
        if (stage.evaluate && (step === stage.schedule.totalSteps || step % stage.evaluateEvery === 0)) {
          const figures = { step, ...(await stage.evaluate(parameters)) };
          lines += `${JSON.stringify(figures)}\n`;
          process.stderr.write(`\n${stage.name}: ${JSON.stringify(figures)}\n`);
        }
        await appendFile(stageFile(options, "jsonl"), lines);
        lines = "";
      },
    },
  },
  fromStep,
  stage.schedule.totalSteps,
);
for await (const { step, loss, norm } of steps) {
  if (rank !== 0) continue;
  lines += `${JSON.stringify({ step, loss: Number(loss.toPrecision(5)), norm: Number(norm.toPrecision(4)) })}\n`;
  parentPort?.postMessage({ step, loss, norm });
}
await optimizer[Symbol.asyncDispose]?.();
