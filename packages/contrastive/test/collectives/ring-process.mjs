// One rank of the test beside it: takes its part of a seeded batch, and writes down what the ring gave it.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { ChunkedSigmoidLoss, openMpi, ringSigmoidLoss, seededUniform } from "../../dist/index.js";

const [folder, splits, how] = process.argv.slice(2);
const mpi = await openMpi();
const counts = splits.split(",").map(Number);
const width = 12;
if (how === "exit" && mpi.rank === 1) process.exit(3);
if (how === "kill" && mpi.rank === 1) process.kill(process.pid, "SIGKILL");
if (how === "throw" && mpi.rank === 1) {
  process.stderr.write(`sightline: rank ${mpi.rank} of ${mpi.size}: a broken picture\n`);
  mpi.abort();
}
const from = counts.slice(0, mpi.rank).reduce((sum, n) => sum + n, 0);
const to = from + counts[mpi.rank];
const rows = (seed) => Float32Array.from({ length: (to - from) * width }, (_, i) => 2 * seededUniform(seed, from * width + i) - 1);
const own = { captions: [], imageIds: [] };
for (let i = from; i < to; i++) {
  own.captions.push(i % 5 === 0 ? "The same, everywhere." : `caption ${i}`);
  own.imageIds.push(i % 7 === 3 ? "one picture" : `picture ${i}`);
}
const tile = await ChunkedSigmoidLoss.open({ width, chunk: 4, device: "cpu", threads: 1 });
const result = await ringSigmoidLoss(mpi, (...given) => tile.evaluate(...given), { width, images: rows(1), texts: rows(2) }, own, { logitScale: Math.log(9), logitBias: -2 });
const gradients = Float32Array.of(result.logitScaleGradient, result.logitBiasGradient, mpi.rank + 1);
await mpi.allReduceSum(gradients);
writeFileSync(path.join(folder, `${mpi.rank}.json`), JSON.stringify({ ...result, imageGradients: [...result.imageGradients], textGradients: [...result.textGradients], temperatureGradients: [...gradients] }));
await mpi[Symbol.asyncDispose]();
process.exit(0);
