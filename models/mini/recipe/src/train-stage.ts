import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { performance } from "node:perf_hooks";
import { Worker } from "node:worker_threads";
import { createSharedState, loadCheckpoint, ParameterSet, requestStop, type ReplicaStep, type SharedState } from "@sightline/contrastive";
import { elementCount } from "@sightline/graph";
import { Presets, SingleBar } from "cli-progress";
import { stageFile, type Stage, type StageOptions } from "./stage.js";
import { createStage } from "./stages.js";

/** What a replica's thread is started with. */
export interface ReplicaAssignment {
  readonly options: StageOptions;
  readonly rank: number;
  readonly shared: SharedState;
  readonly fromStep: number;
}

/**
 * Trains a stage to the end of its schedule, from its last checkpoint where there is one, and returns the parameters.
 * @throws the abort reason when `signal` ends the run; a checkpoint of the last step has then been saved
 */
export async function trainStage(options: StageOptions, run: { readonly replicas?: number; readonly signal?: AbortSignal } = {}): Promise<ParameterSet> {
  const stage = await createStage(options);
  const shapes = new Map([...stage.training.parameters].map(([name, tensor]) => [name, tensor.shape.map(Number)]));
  const count = [...shapes.values()].reduce((sum, shape) => sum + elementCount(shape), 0);
  const shared = createSharedState(count, run.replicas ?? availableParallelism());
  const parameters = new ParameterSet(shapes, shared.values);
  const checkpoint = stageFile(options, "safetensors");
  let fromStep = 0;
  if (existsSync(checkpoint)) {
    const { firstMoment, secondMoment } = shared;
    ({ step: fromStep } = await loadCheckpoint(checkpoint, parameters, { firstMoment, secondMoment, step: 0 }));
  } else await stage.initialise(parameters);
  if (fromStep >= stage.schedule.totalSteps) return parameters;

  const stop = (): void => requestStop(shared);
  run.signal?.addEventListener("abort", stop, { once: true });
  const progress = new StageProgress(stage, shared.replicas, fromStep);
  try {
    await runReplicas({ options, shared, fromStep }, (step) => progress.step(step));
  } finally {
    progress.stop();
    run.signal?.removeEventListener("abort", stop);
  }
  run.signal?.throwIfAborted();
  return parameters;
}

/** Runs all replicas until the stage ends or stops. A replica that fails ends the others, which would wait for it. */
async function runReplicas(assignment: Omit<ReplicaAssignment, "rank">, onStep: (step: ReplicaStep) => void): Promise<void> {
  const workers = Array.from({ length: assignment.shared.replicas }, (_, rank) => {
    const worker = new Worker(new URL("./replica-thread.js", import.meta.url), { workerData: { ...assignment, rank } satisfies ReplicaAssignment });
    worker.on("message", onStep);
    return worker;
  });
  try {
    await Promise.all(
      workers.map(
        (worker, rank) =>
          new Promise<void>((resolve, reject) => {
            worker.once("error", reject);
            worker.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`trainStage: replica ${rank} ended with code ${code}`))));
          }),
      ),
    );
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** The progress bar of a stage: smoothed loss, samples a second, time left. */
class StageProgress {
  readonly #bar: SingleBar;
  readonly #samplesPerStep: number;
  #loss = Number.NaN;
  #msPerStep = Number.NaN;
  #lap = performance.now();

  constructor(stage: Stage, replicas: number, fromStep: number) {
    this.#samplesPerStep = stage.batchSize * replicas;
    const format = `${stage.name} [{bar}] {value}/{total} loss {loss} {rate} samples/s, {eta_formatted} left`;
    this.#bar = new SingleBar({ format, noTTYOutput: true, notTTYSchedule: 30_000, etaBuffer: 200 }, Presets.shades_classic);
    this.#bar.start(stage.schedule.totalSteps, fromStep, { loss: "-", rate: "-" });
  }

  step({ step, loss }: ReplicaStep): void {
    const now = performance.now();
    this.#loss = smoothed(this.#loss, loss, 0.02);
    this.#msPerStep = smoothed(this.#msPerStep, now - this.#lap, 0.05);
    this.#lap = now;
    this.#bar.update(step, { loss: this.#loss.toFixed(4), rate: ((this.#samplesPerStep / this.#msPerStep) * 1000).toFixed(0) });
  }

  stop(): void {
    this.#bar.stop();
  }
}

function smoothed(before: number, now: number, weight: number): number {
  return Number.isNaN(before) ? now : (1 - weight) * before + weight * now;
}
