// Event files of a run of eight steps and of one resumed at step 4, with a clock that stands still; the same events as
// packages/contrastive/test/logs/run-events.ts. Build first: npx tsc -b
import { TensorBoardLog } from "../../../packages/contrastive/dist/index.js";

const folder = process.argv[2];
const clock = () => 1_700_000_000_500;
const stepEnd = (step, more = {}) => {
  const figures = { temperature: 10 + step / 8, logitBias: -4 - step / 4, meanPositiveLogit: step / 2 - 2, meanNegativeLogit: -4 - step / 2 };
  return { type: "step-end", step, totalSteps: 8, epoch: 0, loss: 4 / step, learningRate: 2 ** -step, gradientNorm: 1.5, samples: 64, stepMs: 500, figures, ...more };
};

const first = await TensorBoardLog.open(folder, 0, clock);
for (let step = 1; step <= 8; step++) {
  await first.write(stepEnd(step));
  if (step % 4 === 0) await first.write({ type: "eval-end", step, metrics: { "imageToText.r1": step / 16, "textToImage.r1": step / 32 } });
}
await first[Symbol.asyncDispose]();

const resumed = await TensorBoardLog.open(folder, 4, clock);
await resumed.write(stepEnd(5, { loss: 0.125 }));
await resumed[Symbol.asyncDispose]();
