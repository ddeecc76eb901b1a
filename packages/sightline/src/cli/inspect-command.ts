import { Command } from "commander";
import { describeModel } from "../models/describe-model.js";
import { modelReport } from "./model-report.js";

/** `sightline inspect`: what a model is, from the headers of its files. */
export function inspectCommand(): Command {
  return new Command("inspect")
    .description("Say what a model is: its tower, projector and decoder, and the memory that it needs.")
    .argument("<model>", '"mini", a model that was pulled, a folder with mmproj*.gguf and a decoder\'s .gguf, one .gguf, or a Hugging Face checkpoint\'s folder')
    .option("--json", "print one JSON object")
    .action(runInspect);
}

async function runInspect(model: string, { json }: { readonly json?: boolean }): Promise<void> {
  const description = await describeModel(model);
  process.stdout.write(json ? `${JSON.stringify(description)}\n` : modelReport(description));
}
