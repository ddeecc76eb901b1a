import { Command } from "commander";
import { SightlineError } from "../sightline-error.js";

/**
 * Commands that come with packages of their own, which depend on this one: each has an entry `<package>/command` that
 * exports `command(): Command`. They are imported when they are asked for, so that nobody else pays for them.
 */
const optionalCommands = [
  { name: "serve", package: "@sightline/server", description: "an OpenAI-compatible HTTP server" },
  { name: "eval", package: "@sightline/evals", description: "benchmarks whose figures can be compared" },
  { name: "bulk", package: "@sightline/bulk", description: "embed, caption or evaluate millions of images, over many machines" },
] as const;

/**
 * The command that `asked` names, and lines for the help of the others.
 * @throws SightlineError `package-missing` when the package of the command that was asked for is not installed
 */
export async function optionalCommandsFor(asked: string | undefined): Promise<readonly Command[]> {
  return Promise.all(optionalCommands.map(async (entry) => (entry.name === asked ? importCommand(entry.package, entry.name) : new Command(entry.name).description(entry.description))));
}

async function importCommand(name: string, command: string): Promise<Command> {
  try {
    return ((await import(`${name}/command`)) as { command: () => Command }).command();
  } catch (cause) {
    // Only the package itself may be missing; a fault inside it is told as what it is.
    if ((cause as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND" || !(cause as Error).message.includes(`'${name}'`)) throw cause;
    throw new SightlineError("package-missing", `sightline ${command}: expected the package ${name}, which is not installed; run: npm install ${name}`, { cause });
  }
}
