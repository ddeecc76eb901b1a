import { mkdir, readdir } from "node:fs/promises";
import path from "node:path";

// What lies in the folder of a run, which all its machines share:
//
//   manifest.json      what the run is; there last, when everything else of `submit` is
//   images.jsonl       every image, a line each, shard by shard
//   parts/             what a shard came to, one file each, there in full or not at all
//   failures/          of a shard, the images that could not be used, and why
//   attempts/          of a shard that is being worked on, who began it: it tells of images that end their worker
//   locks/             who works on a shard, where no queue says so
//   workers/           what each worker is at
const folders = ["parts", "failures", "attempts", "locks", "workers"] as const;

export type RunSubfolder = (typeof folders)[number];

/** The name of a shard in files and jobs: a run has up to a million. */
export function shardName(shard: number): string {
  return String(shard).padStart(6, "0");
}

export function manifestFile(run: string): string {
  return path.join(run, "manifest.json");
}

export function imagesFile(run: string): string {
  return path.join(run, "images.jsonl");
}

export function partFile(run: string, shard: number): string {
  return path.join(run, "parts", `${shardName(shard)}.part`);
}

export function failuresFile(run: string, shard: number): string {
  return path.join(run, "failures", `${shardName(shard)}.jsonl`);
}

export function attemptsFile(run: string, shard: number): string {
  return path.join(run, "attempts", `${shardName(shard)}.jsonl`);
}

export function lockFile(run: string, shard: number): string {
  return path.join(run, "locks", shardName(shard));
}

export function workerFile(run: string, worker: string): string {
  return path.join(run, "workers", `${worker}.json`);
}

export async function makeRunFolders(run: string): Promise<void> {
  for (const name of folders) await mkdir(path.join(run, name), { recursive: true });
}

/** Numbers of the shards whose names with `extension` are in a folder. */
export async function shardsIn(run: string, folder: RunSubfolder, extension: string): Promise<Set<number>> {
  const shards = new Set<number>();
  for (const name of await readdir(path.join(run, folder)).catch(() => [])) {
    const match = /^(\d{6,})(\.\w+)$/.exec(name);
    if (match?.[2] === extension) shards.add(Number(match[1]));
  }
  return shards;
}
