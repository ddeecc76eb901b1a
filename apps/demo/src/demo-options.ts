import path from "node:path";
import { parseArgs } from "node:util";
import type { ChatToServe, SiglipToServe } from "@sightline/server";

export interface DemoOptions {
  readonly models: readonly ChatToServe[];
  readonly siglip: readonly SiglipToServe[];
  /** undefined: 8080, or one that is free. */
  readonly port: number | undefined;
  readonly open: boolean;
}

export const usage = `npm start -- [options]

  --model [NAME=]PATH   who answers: mini, or a folder with a decoder's .gguf and mmproj*.gguf or a Hugging Face
                        checkpoint; several times for several, the first one is loaded at once (mini)
  --siglip [NAME=]PATH  the SigLIP checkpoint behind the side panel (mini's)
  --port N              where the page is; 0: any that is free (8080, or any when that is taken)
  --no-open             only print the address`;

/** The command was called in a way that it does not know. */
export class DemoUsageError extends Error {
  override readonly name: string = "DemoUsageError";
}

/**
 * What the words of the command line ask for; undefined: this help.
 * @throws DemoUsageError for words that it does not know
 */
export function parseDemoOptions(words: readonly string[]): DemoOptions | undefined {
  const values = parse(words);
  if (values.help === true) return undefined;
  const named = (text: string, option: string): { readonly name: string; readonly path: string } => {
    const at = text.indexOf("=");
    const [name, model] = at < 0 ? [path.basename(text), text] : [text.slice(0, at), text.slice(at + 1)];
    if (name === "" || model === "") throw new DemoUsageError(`--${option}: expected PATH or NAME=PATH, got ${JSON.stringify(text)}`);
    return { name, path: model };
  };
  return {
    models: (values.model ?? ["mini"]).map((text) => named(text, "model")),
    siglip: (values.siglip ?? ["mini-siglip=mini"]).map((text) => named(text, "siglip")),
    port: values.port === undefined ? undefined : portOf(values.port),
    open: values["no-open"] !== true,
  };
}

function parse(words: readonly string[]): { readonly model?: string[]; readonly siglip?: string[]; readonly port?: string; readonly "no-open"?: boolean; readonly help?: boolean } {
  try {
    return parseArgs({ args: [...words], options: { model: { type: "string", multiple: true }, siglip: { type: "string", multiple: true }, port: { type: "string" }, "no-open": { type: "boolean" }, help: { type: "boolean", short: "h" } } }).values;
  } catch (cause) {
    throw new DemoUsageError(`${cause instanceof Error ? cause.message : String(cause)} (npm start -- --help shows the options)`, { cause });
  }
}

function portOf(text: string): number {
  const port = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(port) || port < 0 || port > 65_535) throw new DemoUsageError(`--port: expected a number from 0 to 65535, got ${JSON.stringify(text)}`);
  return port;
}
