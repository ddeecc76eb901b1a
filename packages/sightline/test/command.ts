import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { copyFile, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { openWeights, writeGguf, type GgufValue, type MetadataValue } from "@sightline/weights";

const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const goldens = new URL("../../vision-tower/test/goldens/", import.meta.url);

/** What a run of the command came to. */
export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts `sightline`, stdin and both outputs being pipes. */
export function start(...args: readonly string[]): ChildProcess & { readonly stdin: NonNullable<ChildProcess["stdin"]>; readonly stdout: NonNullable<ChildProcess["stdout"]> } {
  return spawn(process.execPath, [main, ...args], { stdio: "pipe" });
}

/** Collects what a started command prints, until it ends. */
export async function finish(child: ChildProcess): Promise<CommandResult> {
  const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => {
    const pieces: Buffer[] = [];
    stream?.on("data", (piece: Buffer) => pieces.push(piece));
    return pieces;
  }) as [Buffer[], Buffer[]];
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}

/** Runs `sightline` to its end, with `input` on stdin. */
export function run(args: readonly string[], input = ""): Promise<CommandResult> {
  const child = start(...args);
  child.stdin.end(input);
  return finish(child);
}

/** A picture among the vision tower's goldens. */
export function golden(name: string): string {
  return fileURLToPath(new URL(name, goldens));
}

/** A fresh temporary folder. */
export function temporaryFolder(): Promise<string> {
  return mkdtemp(path.join(tmpdir(), "sightline-test-"));
}

export const miniFolder: string = path.dirname(createRequire(import.meta.url).resolve("@sightline/mini/package.json"));

/** A copy of the mini chat model in a new folder below `parent`. */
export async function copyOfMini(parent: string): Promise<{ readonly folder: string; readonly mmproj: string; readonly decoder: string }> {
  const folder = await mkdtemp(path.join(parent, "model-"));
  const [mmproj, decoder] = [path.join(folder, "mmproj-mini.gguf"), path.join(folder, "mini-qwen3.gguf")];
  await copyFile(path.join(miniFolder, "mmproj-mini.gguf"), mmproj);
  await copyFile(path.join(miniFolder, "mini-qwen3.gguf"), decoder);
  return { folder, mmproj, decoder };
}

/** GGUF metadata as it was read, with types again: enough for the values that mini has. */
export function ggufValue(value: MetadataValue): GgufValue {
  if (typeof value === "string") return { type: "string", value };
  if (typeof value === "boolean") return { type: "bool", value };
  if (typeof value === "number") return Number.isInteger(value) ? { type: "uint32", value } : { type: "float32", value };
  if (typeof value === "bigint") return { type: "uint64", value };
  const entries = value as readonly (string | number)[];
  return { type: "array", of: typeof entries[0] === "string" ? "string" : Number.isInteger(entries[0]) ? "int32" : "float32", value: entries };
}

/** A copy of mini whose decoder finds every token equally likely: greedy answers repeat one token and never end. */
export async function copyThatNeverEnds(parent: string): Promise<string> {
  const model = await copyOfMini(parent);
  await using source = await openWeights(path.join(miniFolder, "mini-qwen3.gguf"));
  await writeGguf(model.decoder, {
    metadata: [...source.metadata].map(([key, value]) => [key, key.endsWith("epsilon") || key.endsWith("freq_base") ? { type: "float32", value: value as number } : ggufValue(value)]),
    tensors: [...source.tensors.values()].map(({ name, dtype, shape }) => ({
      name,
      dtype,
      shape,
      data: async () => (name === "output_norm.weight" ? (await source.readFloat32(name)).fill(0) : source.readBytes(name)),
    })),
  });
  return model.folder;
}
