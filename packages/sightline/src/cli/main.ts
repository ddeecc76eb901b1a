import { Command, CommanderError } from "commander";
import { doctorCommand } from "./doctor-command.js";
import { exitCodes, reportFailure, UsageError } from "./failure.js";
import { listCommand } from "./list-command.js";
import { optionalCommandsFor } from "./optional-commands.js";
import { packageVersion } from "./package-version.js";
import { pullCommand } from "./pull-command.js";

const program = new Command("sightline")
  .description("Talk about images: a SigLIP vision tower on any decoder.")
  .version(packageVersion())
  .option("--verbose", "show where an error came from")
  .showHelpAfterError("(run with --help for the options)");

// The doctor comes even where the libraries of the others do not load; to fetch and list models needs none of them.
if (!["doctor", "pull", "list"].includes(process.argv[2] ?? "")) for (const command of (await import("./commands.js")).modelCommands()) program.addCommand(command);
try {
  for (const command of await optionalCommandsFor(process.argv[2])) program.addCommand(command);
} catch (error) {
  reportFailure(error, process.argv.includes("--verbose"));
  process.exit(exitCodes.failure);
}
for (const command of [pullCommand(), listCommand(), doctorCommand()]) program.addCommand(command);

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
