import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import { glob, isDynamicPattern } from "tinyglobby";
import { SightlineError } from "../sightline-error.js";
import { byteLines } from "./byte-lines.js";
import { expandRanges } from "./expand-ranges.js";

/** What inputs are read for: it decides which files of a folder count. */
export type InputKind = "images" | "texts";

const extensions: Readonly<Record<InputKind, readonly string[]>> = {
  images: [".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif"],
  texts: [".txt"],
};

/** Whether a file of that name is read in a folder or a tar file. */
export function hasExtension(name: string, kind: InputKind): boolean {
  return extensions[kind].includes(path.extname(name).toLowerCase());
}

/** Whether a path is read as a tar file, by its name. */
export function isTar(file: string): boolean {
  return /\.(?:tar|tar\.gz|tgz)$/i.test(file);
}

/**
 * The files that inputs stand for, in order: a file itself; a folder's files, of all its folders, sorted; a glob's,
 * sorted; `{000..010}` each of them; `@list.txt` the paths in its lines, and `-` those on stdin (with texts: stdin
 * itself). A path that a list names need not exist.
 * @throws SightlineError `bad-input` for an input that is not there or names nothing
 */
export async function listInputs(inputs: readonly string[], kind: InputKind): Promise<string[]> {
  const files: string[] = [];
  // Not push(...more): a million arguments are too many.
  const add = (more: readonly string[]): void => more.forEach((file) => files.push(file));
  for (const input of inputs) {
    if (input === "-") add(kind === "texts" ? ["-"] : await pathsOf(process.stdin));
    else if (input.startsWith("@") && !(await statsOf(input))) add(await pathsOfList(input.slice(1)));
    else if (await statsOf(input)) add(await filesOf(input, kind));
    else for (const one of expandRanges(input)) add(await filesOf(one, kind));
  }
  return files;
}

async function filesOf(input: string, kind: InputKind): Promise<readonly string[]> {
  const stats = await statsOf(input);
  if (stats?.isDirectory()) {
    const found = (await glob("**/*", { cwd: input })).filter((file) => hasExtension(file, kind));
    if (found.length === 0) throw nothingIn(input, kind === "images" ? "the folder holds no image" : "the folder holds no .txt file");
    return found.sort().map((file) => path.join(input, file));
  }
  if (stats) return [input];
  if (!isDynamicPattern(input)) throw nothingIn(input, "no such file or folder");
  const found = await glob(input, { expandDirectories: false, absolute: path.isAbsolute(input) });
  if (found.length === 0) throw nothingIn(input, "the pattern matches no file");
  return found.sort();
}

async function pathsOfList(list: string): Promise<string[]> {
  if (!(await statsOf(list))?.isFile()) throw nothingIn(`@${list}`, "no such list of paths");
  return pathsOf(createReadStream(list));
}

async function pathsOf(stream: AsyncIterable<Uint8Array>): Promise<string[]> {
  const paths: string[] = [];
  for await (const { bytes } of byteLines(stream)) {
    const line = Buffer.from(bytes).toString().trim();
    if (line !== "") paths.push(line);
  }
  return paths;
}

async function statsOf(file: string): Promise<Awaited<ReturnType<typeof stat>> | undefined> {
  return stat(file).catch(() => undefined);
}

function nothingIn(input: string, problem: string): SightlineError {
  return new SightlineError("bad-input", `listInputs: ${input}: ${problem}; check the path`);
}
