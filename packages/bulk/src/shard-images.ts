import { open, type FileHandle } from "node:fs/promises";
import { SightlineError, type ListedImage } from "sightline";
import { readFully, writeFully } from "sightline/cli";
import { z } from "zod";
import { imagesFile } from "./run-folder.js";
import type { RunManifest, Shard } from "./run-manifest.js";

/** An image of a run; one that was broken already when it was listed says why. */
export interface RunImage extends ListedImage {
  readonly problem?: string;
}

const imageSchema = z.strictObject({ key: z.string(), path: z.string(), tar: z.string().optional(), problem: z.string().optional() });

/** Written at once. */
const flushBytes = 2 ** 20;

/**
 * Writes images down as lines, and says how they make shards: in their order, each of `shardSize` but the last.
 */
export async function writeShards(to: FileHandle, images: AsyncIterable<RunImage>, shardSize: number): Promise<Shard[]> {
  const shards: { images: number; bytes: number }[] = [];
  let [lines, waiting] = [[] as Buffer[], 0];
  const flush = async (): Promise<void> => {
    await writeFully(to, Buffer.concat(lines));
    [lines, waiting] = [[], 0];
  };
  for await (const image of images) {
    let shard = shards.at(-1);
    if (!shard || shard.images === shardSize) shards.push((shard = { images: 0, bytes: 0 }));
    const line = Buffer.from(`${JSON.stringify(image)}\n`);
    shard.images++;
    shard.bytes += line.length;
    lines.push(line);
    waiting += line.length;
    if (waiting >= flushBytes) await flush();
  }
  await flush();
  return shards;
}

/** Reads the images of a run, shard by shard or one shard alone. */
export class ShardImages implements AsyncDisposable {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #shards: readonly Shard[];
  readonly #starts: readonly number[];

  private constructor(file: string, handle: FileHandle, shards: readonly Shard[]) {
    this.#file = file;
    this.#handle = handle;
    this.#shards = shards;
    let at = 0;
    this.#starts = shards.map(({ bytes }) => (at += bytes) - bytes);
  }

  /** @throws SightlineError `journal-damaged` when the list is missing or has another length than the manifest says */
  static async open(run: string, { shards }: RunManifest): Promise<ShardImages> {
    const file = imagesFile(run);
    const damaged = (problem: string, cause?: unknown): SightlineError => new SightlineError("journal-damaged", `bulk: ${file}: ${problem}; submit the work to another folder`, { cause });
    const handle = await open(file, "r").catch((cause: unknown) => {
      throw damaged("cannot be read", cause);
    });
    const { size } = await handle.stat();
    const expected = shards.reduce((sum, { bytes }) => sum + bytes, 0);
    if (size === expected) return new ShardImages(file, handle, shards);
    await handle.close();
    throw damaged(`expected ${expected} bytes, found ${size}`);
  }

  async read(shard: number): Promise<RunImage[]> {
    const { bytes, images } = this.#shards[shard] as Shard;
    const buffer = Buffer.alloc(bytes);
    await readFully(this.#handle, buffer, this.#starts[shard] as number);
    const lines = buffer.toString().split("\n").slice(0, -1);
    if (lines.length !== images) throw new SightlineError("journal-damaged", `bulk: ${this.#file}: expected ${images} images of shard ${shard}, found ${lines.length}; submit the work to another folder`);
    return lines.map((line) => {
      const { key, path, tar, problem } = imageSchema.parse(JSON.parse(line));
      return { key, path, ...(tar === undefined ? {} : { tar }), ...(problem === undefined ? {} : { problem }) };
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#handle.close();
  }
}
