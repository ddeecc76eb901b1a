import type { StepEnd, TrainingEvent } from "../../src/trainer/training-event.js";

/** A step as a trainer tells of it. */
export function stepEnd(step: number, more: Partial<StepEnd> = {}): StepEnd {
  const figures = { temperature: 10 + step / 8, logitBias: -4 - step / 4, meanPositiveLogit: step / 2 - 2, meanNegativeLogit: -4 - step / 2 };
  return { type: "step-end", step, totalSteps: 8, epoch: 0, loss: 4 / step, learningRate: 2 ** -step, gradientNorm: 1.5, samples: 64, stepMs: 500, figures, ...more };
}

/** Eight steps with two evaluations and two checkpoints. */
export function runEvents(): readonly TrainingEvent[] {
  const evaluated = (step: number): TrainingEvent[] => [
    { type: "eval-end", step, metrics: { "imageToText.r1": step / 16, "textToImage.r1": step / 32 } },
    { type: "checkpoint-saved", step, path: `checkpoints/step-${step}.safetensors`, best: true },
  ];
  return Array.from({ length: 8 }, (_, i) => i + 1).flatMap((step) => [stepEnd(step), ...(step % 4 === 0 ? evaluated(step) : [])]);
}
