import type { FileHandle } from "node:fs/promises";
import { SightlineError } from "sightline";
import { writeFully } from "sightline/cli";
import type { CaptionRow } from "./caption-parquet.js";

const flushEvery = 1000;

/**
 * Writes captions as COCO's evaluation reads results: `[{"image_id", "caption"}]`. The id is the number at the end of the file's
 * name, as in COCO_val2014_000000391895.jpg.
 * @throws SightlineError `bad-input` for an image whose name ends in no number, or in another's
 */
export async function writeCocoResults(to: FileHandle, captions: AsyncIterable<CaptionRow>): Promise<void> {
  const seen = new Map<number, string>();
  let lines: string[] = [];
  let first = true;
  for await (const { key, path, caption } of captions) {
    const id = cocoId(key);
    if (id === undefined) throw new SightlineError("bad-input", `bulk collect: --format coco: ${path}: its name ends in no number, which would be its image_id; collect to parquet instead`);
    const other = seen.get(id);
    if (other !== undefined) throw new SightlineError("bad-input", `bulk collect: --format coco: ${path} and ${other} have the same image_id, ${id}; collect to parquet instead`);
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
export function cocoId(key: string): number | undefined {
  const digits = /(\d+)$/.exec(key)?.[1];
  const id = Number(digits);
  return digits !== undefined && Number.isSafeInteger(id) ? id : undefined;
}
