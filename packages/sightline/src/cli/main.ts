import { Command, CommanderError } from "commander";
import { doctorCommand } from "./doctor-command.js";
import { exitCodes, reportFailure, UsageError } from "./failure.js";
import { optionalCommandsFor } from "./optional-commands.js";
import { packageVersion } from "./package-version.js";

const program = new Command("sightline")
  .description("Talk about images: a SigLIP vision tower on any decoder.")
  .version(packageVersion())
  .option("--verbose", "show where an error came from")
  .showHelpAfterError("(run with --help for the options)");

// The doctor comes even where the libraries of the others do not load.
if (process.argv[2] !== "doctor") for (const command of (await import("./commands.js")).modelCommands()) program.addCommand(command);
try {
  for (const command of await optionalCommandsFor(process.argv[2])) program.addCommand(command);
} catch (error) {
  reportFailure(error, process.argv.includes("--verbose"));
  process.exit(exitCodes.failure);
}
program.addCommand(doctorCommand());

for (const command of [program, ...program.commands]) command.exitOverride();

// A reader that has seen enough (`| head`) closes the pipe; that is its right, and nobody is left to answer.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(exitCodes.success);
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed its own line; help and version are no failures.
    process.exitCode = error.exitCode === 0 ? exitCodes.success : exitCodes.usage;
  } else {
    process.exitCode = error instanceof UsageError ? exitCodes.usage : exitCodes.failure;
    reportFailure(error, process.argv.includes("--verbose"));
  }
}
