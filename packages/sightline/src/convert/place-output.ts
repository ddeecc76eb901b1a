import { lstat, mkdir, readdir, realpath, rename, rm } from "node:fs/promises";
import path from "node:path";
import { randomUUID } from "node:crypto";
import { syncFolder } from "../embed/durable-file.js";
import { SightlineError } from "../sightline-error.js";

/**
 * Checks that a conversion may write to `out`, before anything is read.
 * @param source which is never written over
 * @throws SightlineError `output-exists` when something is there that may not be replaced
 */
export async function checkOutput(out: string, source: string, overwrite: boolean): Promise<void> {
  const there = await lstat(out).catch(() => undefined);
  if (!there) return;
  const [from, to] = await Promise.all([realpath(source).catch(() => path.resolve(source)), realpath(out)]);
  const refuse = (problem: string): SightlineError => new SightlineError("output-exists", `convert: ${out}: ${problem}`);
  if (from === to || from.startsWith(`${to}${path.sep}`)) throw refuse("is or holds what is to be converted; name another place");
  if (there.isDirectory()) {
    const names = await readdir(out);
    if (names.length === 0) return;
    if (!overwrite) throw refuse("is there already and not empty; name another folder, or replace it with --overwrite");
    // A slip of the hand must not cost a home folder.
    if (!names.includes("config.json")) throw refuse("holds no config.json, so it is no model that an earlier conversion wrote; empty it, or name another folder");
  } else if (!overwrite) {
    throw refuse("is there already; name another file, or replace it with --overwrite");
  }
}

/** Fills a new folder and puts it in the place of `out`, which stays as it was until then. */
export async function placeFolder(out: string, fill: (partial: string) => Promise<void>): Promise<void> {
  const target = path.resolve(out);
  const partial = `${target}.${randomUUID().slice(0, 8)}.partial`;
  try {
    await mkdir(path.dirname(target), { recursive: true });
    await fill(partial);
    await syncFolder(partial);
    await rm(target, { recursive: true, force: true });
    await rename(partial, target);
    await syncFolder(path.dirname(target));
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}
