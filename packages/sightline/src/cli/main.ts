import { Command, CommanderError } from "commander";
import { chatCommand } from "./chat-command.js";
import { embedCommand } from "./embed-command.js";
import { exitCodes, reportFailure, UsageError } from "./failure.js";
import { heatmapCommand } from "./heatmap-command.js";
import { tagCommand } from "./tag-command.js";
import { packageVersion } from "./package-version.js";

const program = new Command("sightline")
  .description("Talk about images: a SigLIP vision tower on any decoder.")
  .version(packageVersion())
  .option("--verbose", "show where an error came from")
  .addCommand(chatCommand())
  .addCommand(tagCommand())
  .addCommand(embedCommand())
  .addCommand(heatmapCommand())
  .showHelpAfterError("(run with --help for the options)");

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
