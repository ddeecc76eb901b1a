import type { FileHandle } from "node:fs/promises";
import { SightlineError } from "sightline";
import { writeFully } from "sightline/cli";
import type { CaptionRow } from "./caption-parquet.js";

const flushEvery = 1000;

/**
 * Writes captions as COCO's evaluation reads results: `[{"image_id", "caption"}]`. The id is the number that a file's name is or
 * ends with after "_", as in COCO_val2014_000000391895.jpg; otherwise the name without its extension.
 * @throws SightlineError `bad-input` for two images with the same id
 */
export async function writeCocoResults(to: FileHandle, captions: AsyncIterable<CaptionRow>): Promise<void> {
  const seen = new Map<number | string, string>();
  let lines: string[] = [];
  let first = true;
  for await (const { key, path, caption } of captions) {
    const id = cocoId(key);
    const other = seen.get(id);
    if (other !== undefined) throw new SightlineError("bad-input", `bulk collect: --format coco: ${path} and ${other} have the same image_id, ${JSON.stringify(id)}; collect to parquet instead`);
    seen.set(id, path);
    lines.push(`${first ? "[" : ","}\n${JSON.stringify({ image_id: id, caption })}`);
    first = false;
    if (lines.length === flushEvery) {
      await writeFully(to, Buffer.from(lines.join("")));
      lines = [];
    }
  }
  await writeFully(to, Buffer.from(`${lines.join("")}${first ? "[" : ""}\n]\n`));
}

/** @internal Exported for tests. */
export function cocoId(key: string): number | string {
  const name = key.slice(1 + Math.max(key.lastIndexOf("/"), key.lastIndexOf("\\")));
  const digits = /(?:^|_)(\d+)$/.exec(name)?.[1];
  const id = Number(digits);
  return digits !== undefined && Number.isSafeInteger(id) ? id : name;
}
