import { performance } from "node:perf_hooks";
import { ChunkedSigmoidLoss, openMpi, ringSigmoidLoss } from "@sightline/contrastive";
import { Command } from "commander";

interface MpiOptions {
  readonly pairs: number;
  readonly width: number;
  readonly gradients: number;
}

/** `mpirun -n 2 node bench/dist/main.js mpi`: what processes of a training run spend on each other. */
export function mpiBench(): Command {
  return new Command("mpi")
    .option("--pairs <n>", "pairs of each process", Number, 512)
    .option("--width <n>", "width of the embeddings", Number, 768)
    .option("--gradients <n>", "parameters whose gradients are added up, millions", Number, 93)
    .option("--json", "the default: one JSON object")
    .action(measure);
}

async function measure({ pairs, width, gradients }: MpiOptions): Promise<void> {
  const mpi = await openMpi();
  const values = new Float32Array(gradients * 1e6).fill(1);
  const embeddings = { width, images: new Float32Array(pairs * width).map((_, i) => Math.sin(i)), texts: new Float32Array(pairs * width).map((_, i) => Math.cos(i)) };
  const names = Array.from({ length: pairs }, (_, i) => `${mpi.rank} ${i}`);
  const tile = await ChunkedSigmoidLoss.open({ width, device: "cpu", threads: 1 });
  const best = async (run: () => Promise<unknown>): Promise<number> => {
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 4; i++) {
      const started = performance.now();
      await run();
      least = Math.min(least, performance.now() - started);
    }
    return least;
  };
  const allReduceMs = await best(() => mpi.allReduceSum(values));
  const bytes = new Uint8Array(embeddings.texts.buffer);
  const into = new Uint8Array(bytes.length);
  const exchangeMs = await best(() => mpi.exchange(bytes, (mpi.rank + 1) % mpi.size, into, (mpi.rank - 1 + mpi.size) % mpi.size));
  const ringMs = await best(() => ringSigmoidLoss(mpi, (...block) => tile.evaluate(...block), embeddings, { captions: names, imageIds: names }, { logitScale: Math.log(10), logitBias: -10 }));
  if (mpi.rank === 0) {
    const round = (value: number): number => Number(value.toPrecision(4));
    const result = { processes: mpi.size, pairsPerProcess: pairs, width, allReduceMs: round(allReduceMs), allReduceGbPerSecond: round((values.byteLength * 2 * (mpi.size - 1)) / mpi.size / allReduceMs / 1e6), exchangeMs: round(exchangeMs), exchangeGbPerSecond: round(bytes.length / exchangeMs / 1e6), ringLossMs: round(ringMs) };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
  await tile[Symbol.asyncDispose]();
  await mpi[Symbol.asyncDispose]();
  // A natural end would unload the library under its own feet.
  process.exit();
}
