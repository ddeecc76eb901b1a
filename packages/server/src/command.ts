import { Command } from "commander";

/** `sightline serve`. */
export function command(): Command {
  return new Command("serve");
}
