import { Command } from "commander";

/** `sightline bulk`. */
export function command(): Command {
  return new Command("bulk");
}
