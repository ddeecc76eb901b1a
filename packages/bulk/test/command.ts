import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";

const main = path.join(path.dirname(createRequire(import.meta.url).resolve("sightline/cli")), "main.js");

export const examples: string = fileURLToPath(new URL("../../../examples/", import.meta.url));

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts `sightline bulk`. */
export function startBulk(args: readonly string[], environment: Readonly<Record<string, string>> = {}): { readonly child: ChildProcess; readonly ended: Promise<CommandResult> } {
  const child = spawn(process.execPath, [main, "bulk", ...args], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...environment } });
  const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => {
    const pieces: Buffer[] = [];
    stream?.on("data", (piece: Buffer) => pieces.push(piece));
    return pieces;
  }) as [Buffer[], Buffer[]];
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }));
  return { child, ended };
}

/** Runs `sightline bulk` to its end. */
export function bulk(...args: string[]): Promise<CommandResult> {
  return startBulk(args).ended;
}

export function temporaryFolder(): Promise<string> {
  return mkdtemp(path.join(tmpdir(), "sightline-bulk-"));
}

export async function readParquet<T>(file: string): Promise<{ readonly rows: T[]; readonly about: unknown }> {
  const buffer = await asyncBufferFromFile(file);
  const { key_value_metadata: notes } = await parquetMetadataAsync(buffer);
  return { rows: (await parquetReadObjects({ file: buffer })) as T[], about: JSON.parse(notes?.find(({ key }) => key === "sightline")?.value ?? "null") };
}

export async function readLines<T>(file: string): Promise<T[]> {
  return (await readFile(file, "utf8")).split("\n").slice(0, -1).map((line) => JSON.parse(line) as T);
}
