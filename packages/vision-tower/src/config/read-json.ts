import { readFile, stat } from "node:fs/promises";

import { ConfigError } from "./config-error.js";

/** A tokenizer.json with 256,000 tokens, the largest JSON of a known checkpoint, has some tens of megabytes. */
const maxBytes = 256 * 2 ** 20;

/**
 * Reads and parses a JSON file of a model directory.
 *
 * @throws ConfigError that names the file when it is missing, unreadable, too large or not JSON; the signal's reason.
 */
export async function readJson(path: string, signal?: AbortSignal): Promise<unknown> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > maxBytes) throw new ConfigError("readJson", path, `has ${size} bytes, and at most ${maxBytes} were expected; check that this is the model's own file`);
    text = await readFile(path, { encoding: "utf8", ...(signal && { signal }) });
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof ConfigError) throw cause;
    const missing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    const problem = missing ? "no such file; download the whole model directory" : "cannot be read; check that it is a file that you may read";
    throw new ConfigError("readJson", path, problem, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ConfigError("readJson", path, "is not valid JSON; download it again", { cause });
  }
}
