import type { FileSource } from "../remote/repository.js";
import { discard, reasonOf, type HubConnection, type HubResponse } from "../remote/hub-connection.js";
import { PassingFailure, withRetries, type RetryOptions } from "../remote/retries.js";
import type { PartialFile } from "./partial-file.js";

/** A file on its way: many connections bring its pieces. */
export interface FileTransfer {
  readonly source: FileSource;
  readonly partial: PartialFile;
  /** The next piece that nobody works on. */
  nextPiece: number;
  /** Where the bytes are; asked for anew when it no longer answers. */
  location: string | undefined;
  /** The server sends whole files only, so one connection brings this one from its beginning. */
  whole: boolean;
  /** Connections that work on it. */
  active: number;
}

export interface TransferOptions {
  readonly connection: HubConnection;
  readonly retries: RetryOptions;
}

/**
 * Brings one piece. A connection that breaks goes on where it was. When the server ignores ranges, the first to notice
 * brings the whole file and the others leave it alone.
 */
export async function transferPiece(transfer: FileTransfer, piece: number, options: TransferOptions): Promise<void> {
  const { partial } = transfer;
  const { connection, retries } = options;
  const [start, length] = [partial.pieceStart(piece), partial.pieceLength(piece)];
  const mine = { whole: false };
  const isDone = (): boolean => (mine.whole ? partial.done === partial.bytes : partial.received[piece] === length);
  const progress = (): number => (mine.whole ? partial.done : (partial.received[piece] as number));
  const attempt = async (): Promise<void> => {
    while (!isDone() && (mine.whole || !transfer.whole)) {
      const before = progress();
      const from = mine.whole ? 0 : start + (partial.received[piece] as number);
      const to = mine.whole ? partial.bytes : start + length;
      const response = await ask(transfer, connection, mine.whole ? undefined : `bytes=${from}-${to - 1}`, retries.signal);
      try {
        const at = firstByte(response, from, to, partial.bytes, transfer.source.path);
        if (at === "whole" && !mine.whole && partial.pieces > 1) {
          if (transfer.whole) return;
          transfer.whole = mine.whole = true;
        }
        await receive(response, at === "whole" ? 0 : at, mine.whole || at === "whole" ? partial.bytes : to, partial);
      } catch (error) {
        discard(response.body);
        throw error;
      }
      // A server may send less than it was asked for, as long as it sends something.
      if (!isDone() && progress() === before) throw new PassingFailure(`${hostOf(response)}: ${transfer.source.path} broke off`);
    }
  };
  await withRetries(attempt, retries, progress);
}

async function ask(transfer: FileTransfer, connection: HubConnection, range: string | undefined, signal: AbortSignal): Promise<HubResponse> {
  const request = { method: "GET", headers: range === undefined ? {} : { range }, signal } as const;
  const { location } = transfer;
  if (location === undefined) {
    const response = await connection.send(transfer.source.url, { ...request, redirects: "stay" });
    const next = response.header("location");
    if (response.status < 300 || next === undefined) return response;
    discard(response.body);
    transfer.location = new URL(next, response.url).href;
  }
  try {
    return await connection.send(transfer.location as string, { ...request, redirects: "follow" });
  } catch (error) {
    // A signed address runs out; the next try asks the hub for another.
    if (error instanceof PassingFailure && error.retryAfterMs === undefined) transfer.location = undefined;
    throw error;
  }
}

/** Where the body's first byte stands in the file; "whole" where the server sent the file from its beginning to its end. */
function firstByte(response: HubResponse, from: number, to: number, bytes: number, file: string): number | "whole" {
  const encoding = response.header("content-encoding");
  const wrong = (got: string): PassingFailure => new PassingFailure(`${hostOf(response)}: ${file}: asked for bytes ${from} to ${to - 1} of ${bytes}, got ${got.slice(0, 100)}`);
  if (encoding !== undefined && encoding !== "identity") throw wrong(`them packed as ${encoding}`);
  if (response.status === 206) {
    const range = response.header("content-range") ?? "no Content-Range";
    const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(range) ?? [];
    if (Number(first) !== from || !(Number(last) < to) || (total !== "*" && Number(total) !== bytes)) throw wrong(range);
    return from;
  }
  if (response.status !== 200) throw wrong(`an answer ${response.status}`);
  const length = response.header("content-length");
  if (length !== undefined && Number(length) !== bytes) throw wrong(`${length} bytes`);
  return "whole";
}

async function receive(response: HubResponse, first: number, to: number, partial: PartialFile): Promise<void> {
  const chunks = response.body[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  for (let at = first; at < to; ) {
    const { value } = await chunks.next().catch((cause: unknown) => {
      throw new PassingFailure(`${hostOf(response)}: the connection broke (${reasonOf(cause)})`, { cause });
    });
    if (value === undefined) return;
    const bytes = value.subarray(0, to - at);
    await partial.take(at, bytes);
    at += bytes.length;
  }
  // What a server sends beyond the range is not read.
  discard(response.body);
}

function hostOf(response: HubResponse): string {
  return new URL(response.url).host;
}
