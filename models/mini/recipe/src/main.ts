import { mkdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { writeChatTokenizer } from "./chat-tokenizer.js";
import { exportMini } from "./export-mini.js";
import { drawLossCurves } from "./loss-curve.js";
import { trainingSprites } from "./stages.js";
import { writeTextTokenizer } from "./text-tokenizer.js";
import { trainStage } from "./train-stage.js";
import { existsSync } from "node:fs";

const miniFolder = fileURLToPath(new URL("../../", import.meta.url));

interface RebuildOptions {
  readonly run: string;
  readonly out: string;
  readonly towerSteps: number;
  readonly chatSteps: number;
  readonly questionSteps: number;
  readonly mixedSteps: number;
  readonly replicas?: number;
}

/** Trains mini from nothing, or from where the run folder stands, and writes its files. */
async function rebuild({ run, out, towerSteps, chatSteps, questionSteps, mixedSteps, replicas }: RebuildOptions, signal: AbortSignal): Promise<void> {
  await mkdir(run, { recursive: true });
  if (!existsSync(path.join(run, "text-tokenizer.json"))) await writeTextTokenizer(run);
  if (!existsSync(path.join(run, "chat-tokenizer.json"))) await writeChatTokenizer(await trainingSprites(), run);
  const options = { signal, ...(replicas === undefined ? {} : { replicas }) };
  await trainStage({ stage: "towers", folder: run, steps: towerSteps }, options);
  await trainStage({ stage: "chat", folder: run, steps: chatSteps }, options);
  await trainStage({ stage: "questions", folder: run, steps: questionSteps }, options);
  const parameters = await trainStage({ stage: "mixed", folder: run, steps: mixedSteps }, options);
  await exportMini(parameters, run, out);
  await drawLossCurves(run, path.join(out, "loss-curve.png"));
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("expected a whole number of at least 1");
  return value;
}

const program = new Command("mini-recipe")
  .description("Rebuilds models/mini: draws the art, trains towers, projector and decoder, writes GGUF and safetensors. Ctrl-C saves; the same command goes on.")
  .option("--run <folder>", "checkpoints and logs", path.join(miniFolder, "recipe", "runs", "mini"))
  .option("--out <folder>", "where the model's files go", miniFolder)
  .option("--tower-steps <n>", "steps of the towers' stage, 128 pictures each on two cores", count, 3400)
  .option("--chat-steps <n>", "steps of the conversations' stage, 64 each on two cores", count, 3000)
  .option("--question-steps <n>", "steps of the stage of yes and no, 64 each on two cores", count, 640)
  .option("--mixed-steps <n>", "steps of the last stage, captions and questions, 64 each on two cores", count, 190)
  .option("--replicas <n>", "training threads; one a core when left out", count)
  .action(async (options: RebuildOptions) => {
    const abort = new AbortController();
    process.once("SIGINT", () => abort.abort(new Error("interrupted; the checkpoint is saved")));
    await rebuild(options, abort.signal);
  });

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`mini-recipe: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
