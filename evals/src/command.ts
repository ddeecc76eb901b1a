import { Command } from "commander";

/** `sightline eval`. */
export function command(): Command {
  return new Command("eval");
}
