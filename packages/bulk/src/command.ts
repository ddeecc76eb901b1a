import { Command } from "commander";
import { collectCommand } from "./cli/collect-command.js";
import { statusCommand } from "./cli/status-command.js";
import { submitCommand } from "./cli/submit-command.js";
import { workCommand } from "./cli/work-command.js";

/** `sightline bulk`: work on millions of images, by any number of processes on any number of machines. */
export function command(): Command {
  const bulk = new Command("bulk").description("Embed or caption millions of images, over many processes and machines.");
  // Commander's own errors are printed and given an exit code by `sightline`'s main, for commands of commands as well.
  for (const one of [submitCommand(), workCommand(), statusCommand(), collectCommand()]) bulk.addCommand(one.exitOverride());
  return bulk;
}
