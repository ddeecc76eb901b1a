import { setMaxListeners } from "node:events";
import { stat } from "node:fs/promises";
import { digestBlob } from "../cache/blob.js";
import type { BlobRecord } from "../cache/pull-record.js";
import { blobFile } from "../cache/snapshot.js";
import { HubError } from "../hub-error.js";
import type { HubConnection } from "../remote/hub-connection.js";
import type { FileSource } from "../remote/repository.js";
import type { RetryOptions } from "../remote/retries.js";
import { PartialFile } from "./partial-file.js";
import { transferPiece, type FileTransfer } from "./transfer-file.js";

/** A file to bring, and the folder of its repository in the cache. */
export interface WantedFile {
  readonly source: FileSource;
  readonly folder: string;
}

export interface TransferFilesOptions {
  readonly connection: HubConnection;
  readonly retries: RetryOptions;
  readonly connections: number;
  readonly pieceBytes: number;
  /** Called several times a second with the bytes that are there, of all files. */
  readonly onBytes: (received: number) => void;
  /** Called when all bytes of a file are there, before they are compared with its hash. */
  readonly onCheck: (file: WantedFile) => void;
  /** Called with a blob's facts once it is in its place; awaited. */
  readonly onBlob: (file: WantedFile, record: BlobRecord) => Promise<void>;
  readonly onWrongBytes: (file: WantedFile) => void;
  /** Throws when this process may no longer write; asked before a blob is put in its place. */
  readonly checkLock: () => Promise<void>;
}

interface Entry {
  readonly file: WantedFile;
  opening?: Promise<FileTransfer>;
  transfer?: FileTransfer;
  settled: boolean;
  /** Times that all bytes came and were not the file's. */
  wrong: number;
}

interface Job {
  readonly entry: Entry;
  readonly transfer: FileTransfer;
  /** Missing when there is nothing left to bring. */
  readonly piece: number | undefined;
}

const tellMs = 200;
const saveEvery = 5;
/** A small file that a power cut empties is found by its size and brought again, which costs less than waiting for the disk. */
const bytesWorthSyncing = 2 ** 26;

/**
 * Brings files over several connections, which take pieces in the files' order. Each file is compared with its hash and put
 * in its place when it is whole; wrong bytes are brought once more. Whatever ends it, the bytes that came are kept for the
 * next run.
 * @throws HubError as `HubConnection.send`; `wrong-bytes`; the signal's reason; what the disk says
 */
export async function transferFiles(files: readonly WantedFile[], options: TransferFilesOptions): Promise<void> {
  const ending = new AbortController();
  const signal = AbortSignal.any([ending.signal, options.retries.signal]);
  setMaxListeners(0, signal);
  const transfers = new Transfers(files, { ...options, retries: { ...options.retries, signal } });
  const stopTelling = transfers.tell();
  const work = async (): Promise<void> => {
    try {
      while (await transfers.step()) signal.throwIfAborted();
    } catch (error) {
      ending.abort(error);
      throw error;
    }
  };
  const results = await Promise.allSettled(Array.from({ length: options.connections }, work));
  await stopTelling();
  const failure = await transfers.close();
  options.retries.signal.throwIfAborted();
  // The first to fail ended the others with its own error.
  if (ending.signal.aborted) throw ending.signal.reason;
  if (failure) throw failure;
  if (results.some(({ status }) => status === "rejected")) throw new Error("transferFiles: a connection failed without a reason");
}

class Transfers {
  readonly #queue: Entry[];
  readonly #options: TransferFilesOptions;
  #at = 0;

  constructor(files: readonly WantedFile[], options: TransferFilesOptions) {
    this.#queue = files.map((file) => ({ file, settled: false, wrong: 0 }));
    this.#options = options;
  }

  /** Brings one piece; false when there are no more. */
  async step(): Promise<boolean> {
    const job = await this.#next();
    if (!job) return false;
    const { entry, transfer, piece } = job;
    transfer.active++;
    try {
      if (piece !== undefined) await transferPiece(transfer, piece, this.#options);
    } finally {
      transfer.active--;
    }
    // The last one to work on it looks at the whole.
    if (transfer.active === 0 && !entry.settled && transfer.partial.done === transfer.partial.bytes) await this.#settle(entry, transfer);
    return true;
  }

  async #next(): Promise<Job | undefined> {
    for (let entry = this.#queue[this.#at]; entry; entry = this.#queue[this.#at]) {
      const transfer = await (entry.opening ??= this.#open(entry));
      const { partial } = transfer;
      const isWhole = (piece: number): boolean => partial.received[piece] === partial.pieceLength(piece);
      while (transfer.nextPiece < partial.pieces && (transfer.whole || isWhole(transfer.nextPiece))) transfer.nextPiece++;
      if (transfer.nextPiece < partial.pieces) return { entry, transfer, piece: transfer.nextPiece++ };
      if (this.#queue[this.#at] === entry) this.#at++;
      if (!entry.settled && transfer.active === 0 && partial.done === partial.bytes) return { entry, transfer, piece: undefined };
    }
    return undefined;
  }

  async #open(entry: Entry): Promise<FileTransfer> {
    const { source, folder } = entry.file;
    const partial = await PartialFile.open(folder, source, this.#options.pieceBytes);
    entry.transfer = { source, partial, nextPiece: 0, location: source.location, whole: false, active: 0 };
    return entry.transfer;
  }

  async #settle(entry: Entry, { partial }: FileTransfer): Promise<void> {
    const { source, folder } = entry.file;
    const { onCheck, onBlob, checkLock, retries } = this.#options;
    entry.settled = true;
    onCheck(entry.file);
    const { right, sha256 } = await digestBlob(partial.file, source, retries.signal);
    if (!right) return this.#bringAgain(entry, partial);
    if (source.bytes >= bytesWorthSyncing) await partial.sync();
    await checkLock();
    const blob = blobFile(folder, source.blob);
    await partial.publish(blob);
    delete entry.transfer;
    const { size: bytes, mtimeMs } = await stat(blob);
    await onBlob(entry.file, { bytes, mtimeMs, sha256 });
  }

  async #bringAgain(entry: Entry, partial: PartialFile): Promise<void> {
    const { source } = entry.file;
    this.#options.onWrongBytes(entry.file);
    if (++entry.wrong > 1) {
      await partial.remove();
      delete entry.transfer;
      throw new HubError("wrong-bytes", `${new URL(source.location ?? source.url).host} twice sent other bytes for ${source.path} than its hash says (${source.blob.slice(0, 12)}...); nothing of it was kept: try later, or another HF_ENDPOINT`);
    }
    await partial.startAnew();
    entry.settled = false;
    if (entry.transfer) entry.transfer.nextPiece = 0;
    this.#queue.push(entry);
  }

  /** Tells how many bytes are there, and keeps on disk which, until the returned function is called. */
  tell(): () => Promise<void> {
    let ticks = 0;
    let saving = Promise.resolve();
    const finished = (): number => [...new Set(this.#queue)].reduce((sum, entry) => sum + (entry.transfer ? entry.transfer.partial.done : entry.settled ? entry.file.source.bytes : 0), 0);
    const timer = setInterval(() => {
      this.#options.onBytes(finished());
      if (++ticks % saveEvery === 0) saving = saving.then(() => this.#saveStates());
    }, tellMs);
    return async () => {
      clearInterval(timer);
      await saving;
      this.#options.onBytes(finished());
    };
  }

  async #saveStates(): Promise<void> {
    // A full disk is told by the writes themselves.
    for (const { transfer, settled } of this.#queue) if (transfer && !settled) await transfer.partial.saveState().catch(() => {});
  }

  /** Closes what is open and keeps its bytes; gives what went wrong, if something did. */
  async close(): Promise<unknown> {
    const closed = await Promise.allSettled([...new Set(this.#queue)].map(async ({ transfer }) => transfer?.partial.keep()));
    return closed.find((result) => result.status === "rejected")?.reason;
  }
}
