import { mkdir, open, readdir, readFile, rename, rm, stat, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { blobFile } from "../cache/snapshot.js";
import { replaceFile } from "../cache/pull-record.js";
import type { ExpectedBlob } from "../cache/blob.js";

const stateSchema = z.object({ version: z.literal(1), bytes: z.number(), pieceBytes: z.number().int().min(1), received: z.array(z.number().int().min(0)) });

/** A partial download of another tool that nobody wrote to for so long is taken over. */
const abandonedMs = 600_000;
const forgottenMs = 7 * 24 * 3_600_000;

/**
 * A blob while it comes: its bytes in pieces, each with how many of its first bytes are there. Beside it lies that state, so
 * that a later run goes on. The name is not the `<blob>.incomplete` of older Python tools, which would take a file with holes
 * for a beginning.
 */
export class PartialFile {
  readonly file: string;
  readonly bytes: number;
  readonly pieceBytes: number;
  /** Bytes of each piece that are there. */
  readonly received: number[];
  readonly #state: string;
  readonly #handle: FileHandle;

  private constructor(file: string, handle: FileHandle, bytes: number, pieceBytes: number, received: number[]) {
    this.file = file;
    this.bytes = bytes;
    this.pieceBytes = pieceBytes;
    this.received = received;
    this.#state = stateFile(file);
    this.#handle = handle;
  }

  /** Opens what an earlier run left of a blob, or an empty one. */
  static async open(folder: string, { blob, bytes }: ExpectedBlob, pieceBytes: number): Promise<PartialFile> {
    const file = partialPath(folder, blob);
    await mkdir(path.dirname(file), { recursive: true });
    const before = await earlierState(folder, { blob, bytes }, pieceBytes);
    const handle = await open(file, before ? "r+" : "w");
    return new PartialFile(file, handle, bytes, before?.pieceBytes ?? pieceBytes, before?.received ?? emptyPieces(bytes, pieceBytes));
  }

  get pieces(): number {
    return this.received.length;
  }

  pieceStart(piece: number): number {
    return piece * this.pieceBytes;
  }

  pieceLength(piece: number): number {
    return Math.min(this.pieceBytes, this.bytes - this.pieceStart(piece));
  }

  get done(): number {
    return this.received.reduce((sum, count) => sum + count, 0);
  }

  /**
   * Takes bytes that stand at `at` in the blob. Those that are there already, or that would leave a gap in their piece, are
   * passed over.
   */
  async take(at: number, bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length; ) {
      const piece = Math.floor((at + from) / this.pieceBytes);
      const inPiece = at + from - this.pieceStart(piece);
      const length = Math.min(bytes.length - from, this.pieceLength(piece) - inPiece);
      const have = this.received[piece] as number;
      if (length <= 0) break;
      if (inPiece <= have && inPiece + length > have) {
        await writeFully(this.#handle, bytes.subarray(from + have - inPiece, from + length), this.pieceStart(piece) + have);
        // Two connections may have brought the same bytes meanwhile.
        this.received[piece] = Math.max(this.received[piece] as number, inPiece + length);
      }
      from += length;
    }
  }

  async saveState(): Promise<void> {
    await replaceFile(this.#state, JSON.stringify({ version: 1, bytes: this.bytes, pieceBytes: this.pieceBytes, received: this.received }));
  }

  /** Keeps what is there for a later run; where nothing is, nothing is left. */
  async keep(): Promise<void> {
    if (this.done === 0) return this.remove();
    try {
      await this.saveState();
    } finally {
      await this.#handle.close();
    }
  }

  /** Forgets all bytes: they were not the blob's. */
  async startAnew(): Promise<void> {
    this.received.fill(0);
    await this.#handle.truncate(0);
  }

  async sync(): Promise<void> {
    await this.#handle.sync();
  }

  /** Becomes the blob, at once and whole. */
  async publish(blob: string): Promise<void> {
    await this.#handle.close();
    await rename(this.file, blob);
    await rm(this.#state, { force: true });
  }

  async remove(): Promise<void> {
    await this.#handle.close();
    await rm(this.file, { force: true });
    await rm(this.#state, { force: true });
  }
}

/** Bytes of a blob that an earlier run left. */
export async function partialBytes(folder: string, expected: ExpectedBlob, pieceBytes: number): Promise<number> {
  const state = await earlierState(folder, expected, pieceBytes);
  return state?.received.reduce((sum, count) => sum + count, 0) ?? 0;
}

/** Removes what pulls left that nobody went on with for a week, such as a file that became another upstream meanwhile. */
export async function removeOldPartials(folder: string, now: number = Date.now()): Promise<void> {
  const blobs = path.join(folder, "blobs");
  for (const name of await readdir(blobs).catch(() => [])) {
    if (!/\.sightline\.incomplete(\.json)?$/.test(name)) continue;
    const file = path.join(blobs, name);
    const stats = await stat(file).catch(() => undefined);
    if (stats && now - stats.mtimeMs > forgottenMs) await rm(file, { force: true });
  }
}

async function earlierState(folder: string, { blob, bytes }: ExpectedBlob, pieceBytes: number): Promise<{ readonly pieceBytes: number; readonly received: number[] } | undefined> {
  const file = partialPath(folder, blob);
  try {
    const state = stateSchema.parse(JSON.parse(await readFile(stateFile(file), "utf8")));
    const { size } = await stat(file);
    const fits = state.bytes === bytes && state.received.length === Math.ceil(bytes / state.pieceBytes);
    const within = state.received.every((count, piece) => count <= Math.min(state.pieceBytes, bytes - piece * state.pieceBytes) && (count === 0 || piece * state.pieceBytes + count <= size));
    return fits && within ? state : undefined;
  } catch {
    return takeOver(folder, blob, bytes, pieceBytes);
  }
}

/** Python's tools before huggingface_hub 1.x left `<blob>.incomplete`, which holds the first bytes. */
async function takeOver(folder: string, blob: string, bytes: number, pieceBytes: number): Promise<{ readonly pieceBytes: number; readonly received: number[] } | undefined> {
  const theirs = `${blobFile(folder, blob)}.incomplete`;
  const stats = await stat(theirs).catch(() => undefined);
  if (!stats?.isFile() || stats.size > bytes || Date.now() - stats.mtimeMs < abandonedMs) return undefined;
  await rename(theirs, partialPath(folder, blob));
  const received = emptyPieces(bytes, pieceBytes).map((_, piece) => Math.max(0, Math.min(pieceBytes, stats.size - piece * pieceBytes)));
  await replaceFile(stateFile(partialPath(folder, blob)), JSON.stringify({ version: 1, bytes, pieceBytes, received }));
  return { pieceBytes, received };
}

function partialPath(folder: string, blob: string): string {
  return `${blobFile(folder, blob)}.sightline.incomplete`;
}

function stateFile(file: string): string {
  return `${file}.json`;
}

function emptyPieces(bytes: number, pieceBytes: number): number[] {
  return new Array<number>(Math.ceil(bytes / pieceBytes)).fill(0);
}

async function writeFully(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
}
