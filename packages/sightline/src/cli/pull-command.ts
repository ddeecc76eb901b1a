import { Command } from "commander";
import { defined } from "../defined.js";
import { exitCodes } from "./failure.js";
import { abortOnInterrupt } from "./interrupt.js";
import { wholeNumber } from "./option-values.js";
import { pullWithProgress } from "./pull-progress.js";

interface PullCommandOptions {
  readonly revision?: string;
  readonly cacheDir?: string;
  readonly offline?: boolean;
  readonly connections?: number;
  readonly json?: boolean;
}

/** `sightline pull`: a model into the Hugging Face cache. */
export function pullCommand(): Command {
  return new Command("pull")
    .description("Download a model into the Hugging Face cache, which Python's tools share; what is there is not fetched again.")
    .argument("<model>", "NAME[:QUANT] as `sightline list --all` shows it, or any owner/repository[:QUANT or GLOB] of the hub")
    .option("--revision <name>", "branch, tag or commit")
    .option("--cache-dir <folder>", "instead of the Hugging Face cache")
    .option("--offline", "ask no one: say whether the model is here and whole")
    .option("--connections <n>", "at once", wholeNumber(1), 8)
    .option("--json", "print one JSON object about the model's files")
    .addHelpText("after", "\nHF_TOKEN, HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE and HTTPS_PROXY mean what they mean to Hugging Face's tools.")
    .action(runPull);
}

async function runPull(model: string, { revision, cacheDir, offline, connections, json }: PullCommandOptions): Promise<void> {
  const signal = abortOnInterrupt();
  try {
    const pulled = await pullWithProgress(model, { signal, ...defined({ revision, cacheDirectory: cacheDir, offline, connections }) });
    process.stdout.write(json ? `${JSON.stringify(pulled)}\n` : `${pulled.directory}\n`);
  } catch (error) {
    if (!signal.aborted) throw error;
    process.stderr.write("sightline: stopped; what came is kept, and the same command goes on\n");
    process.exitCode = exitCodes.interrupted;
  }
}
