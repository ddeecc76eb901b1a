import { Command } from "commander";
import { diagnose } from "../doctor/diagnosis.js";
import { reportOf } from "../doctor/report.js";
import { exitCodes } from "./failure.js";
import { abortOnInterrupt } from "./interrupt.js";

/** `sightline doctor`: what this machine can use, why not, and the command that would enable it. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("Say what this machine can use, why not, and the command that would enable it.")
    .option("--json", "print one JSON object")
    .action(runDoctor);
}

async function runDoctor({ json }: { readonly json?: boolean }): Promise<void> {
  const signal = abortOnInterrupt();
  try {
    const diagnosis = await diagnose({ signal });
    process.stdout.write(json ? `${JSON.stringify(diagnosis)}\n` : reportOf(diagnosis));
    if (!diagnosis.ok) process.exitCode = exitCodes.failure;
  } catch (error) {
    if (!signal.aborted) throw error;
    process.exitCode = exitCodes.interrupted;
  }
}
