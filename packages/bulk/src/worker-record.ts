import { randomBytes } from "node:crypto";
import { readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { z } from "zod";
import { workerFile } from "./run-folder.js";

/** What a worker says of itself, for whoever asks how the run is. */
export interface WorkerRecord {
  readonly worker: string;
  readonly host: string;
  readonly pid: number;
  readonly state: "loading" | "working" | "waiting";
  /** The shard that it is at. */
  readonly shard?: number | undefined;
  /** Images of that shard so far. */
  readonly shardImages: number;
  /** Since it began, of shards that it finished or is at. */
  readonly images: number;
  readonly failed: number;
  readonly shards: number;
  /** Of the last half minute. */
  readonly imagesPerSecond: number;
}

const recordSchema = z.object({
  worker: z.string(),
  host: z.string(),
  pid: z.int(),
  state: z.enum(["loading", "working", "waiting"]),
  shard: z.int().optional(),
  shardImages: z.int(),
  images: z.int(),
  failed: z.int(),
  shards: z.int(),
  imagesPerSecond: z.number(),
});

const writeEveryMs = 1000;
/** A worker that did not write for so long is taken for lost. */
const lostAfterMs = 20_000;
const windowMs = 30_000;

/** A name that no other worker has, on any machine. */
export function workerName(): string {
  return `${hostname().replaceAll(/[^\w.-]/g, "_")}-${process.pid}-${randomBytes(3).toString("hex")}`;
}

/** Keeps a worker's record in the run's folder up to date, until it is stopped. */
export class WorkerReport {
  readonly worker: string;
  readonly #file: string;
  readonly #timer: NodeJS.Timeout;
  readonly #samples: { readonly at: number; readonly images: number }[] = [];
  #state: WorkerRecord["state"] = "loading";
  #shard: number | undefined;
  #shardImages = 0;
  #images = 0;
  #failed = 0;
  #shards = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(run: string, worker: string) {
    this.worker = worker;
    this.#file = workerFile(run, worker);
    this.#timer = setInterval(() => this.#write(), writeEveryMs);
    this.#timer.unref();
    this.#write();
  }

  begin(shard: number): void {
    [this.#state, this.#shard, this.#shardImages] = ["working", shard, 0];
  }

  image(failed: boolean): void {
    this.#images++;
    this.#shardImages++;
    if (failed) this.#failed++;
  }

  /** The shard is done, or was given back. */
  end(done: boolean): void {
    if (done) this.#shards++;
    [this.#state, this.#shard, this.#shardImages] = ["waiting", undefined, 0];
  }

  wait(): void {
    this.#state = "waiting";
  }

  record(): WorkerRecord {
    const now = Date.now();
    this.#samples.push({ at: now, images: this.#images });
    while (this.#samples.length > 2 && now - (this.#samples[0] as { at: number }).at > windowMs) this.#samples.shift();
    const first = this.#samples[0] as { at: number; images: number };
    return {
      worker: this.worker,
      host: hostname(),
      pid: process.pid,
      state: this.#state,
      ...(this.#shard === undefined ? {} : { shard: this.#shard }),
      shardImages: this.#shardImages,
      images: this.#images,
      failed: this.#failed,
      shards: this.#shards,
      imagesPerSecond: now > first.at ? ((this.#images - first.images) * 1000) / (now - first.at) : 0,
    };
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    await rm(this.#file, { force: true });
  }

  #write(): void {
    const text = JSON.stringify(this.record());
    // A record that cannot be written is missed by nobody but `status`.
    this.#writing = this.#writing
      .then(() => writeFile(`${this.#file}.new`, text))
      .then(() => rename(`${this.#file}.new`, this.#file))
      .catch(() => undefined);
  }
}

/** Workers of a run that are alive, by their records. */
export async function readWorkers(run: string): Promise<WorkerRecord[]> {
  const folder = path.join(run, "workers");
  const workers: WorkerRecord[] = [];
  for (const name of (await readdir(folder).catch(() => [])).sort()) {
    if (!name.endsWith(".json")) continue;
    const file = path.join(folder, name);
    const stats = await stat(file).catch(() => undefined);
    if (!stats || Date.now() - stats.mtimeMs > lostAfterMs) continue;
    const record = recordSchema.safeParse(JSON.parse((await readFile(file, "utf8").catch(() => "")) || "null"));
    if (record.success) workers.push(record.data);
  }
  return workers;
}
