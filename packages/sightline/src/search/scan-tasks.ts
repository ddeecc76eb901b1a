import { readSync } from "node:fs";
import { dotRowsOn, type DotRows } from "./dot-rows.js";
import { quantize } from "./quantized-rows.js";
import type { Segment } from "./segment.js";
import { bufferOf } from "./shared-memory.js";

/** Consecutive rows of float32 in a file. */
export interface Extent {
  /** Byte of the file where the first value lies. */
  readonly at: number;
  readonly firstRow: number;
  readonly rows: number;
}

/** Reads rows of a file into a segment. A descriptor belongs to the process, so threads may share it. */
export interface LoadTask {
  readonly kind: "load";
  readonly segment: number;
  readonly fd: number;
  readonly width: number;
  readonly extents: readonly Extent[];
}

/** Compares rows of a segment with its queries. */
export interface ScanTask {
  readonly kind: "scan";
  readonly segment: number;
  /** Counted from the segment's first. */
  readonly fromRow: number;
  readonly rows: number;
  readonly queries: number;
}

export type Task = LoadTask | ScanTask;

const readBytes = 4 * 2 ** 20;
/** Rows that stay in a core's cache while all queries pass over them. */
const blockBytes = 128 * 2 ** 10;

/** Does tasks on segments: in this thread or, message by message, in another. */
export class TaskRunner {
  readonly #segments: readonly Segment[];
  readonly #kernels: (DotRows | undefined)[] = [];

  constructor(segments: readonly Segment[]) {
    this.#segments = segments;
  }

  /** @returns rows without a direction, of a load; 0 of a scan */
  run(task: Task): number {
    const segment = this.#segments[task.segment] as Segment;
    if (task.kind === "load") return load(segment, task);
    const dotRows = (this.#kernels[task.segment] ??= dotRowsOn(segment.memory));
    scan(segment, task, dotRows);
    return 0;
  }
}

function load({ memory, firstRow, stride, rowsAt, usableAt }: Segment, { fd, width, extents }: LoadTask): number {
  const buffer = bufferOf(memory);
  const [values, usable] = [new Int16Array(buffer), new Uint8Array(buffer, usableAt)];
  const rowBytes = width * 4;
  const rowsAtOnce = Math.max(1, Math.floor(readBytes / rowBytes));
  const floats = new Float32Array(rowsAtOnce * width);
  let unusable = 0;
  for (const extent of extents) {
    for (let done = 0; done < extent.rows; done += rowsAtOnce) {
      const rows = Math.min(rowsAtOnce, extent.rows - done);
      readExactly(fd, new Uint8Array(floats.buffer, 0, rows * rowBytes), extent.at + done * rowBytes);
      for (let row = 0; row < rows; row++) {
        const here = extent.firstRow + done + row - firstRow;
        const good = quantize(floats, row * width, width, values, (rowsAt + here * stride) / 2);
        usable[here] = good ? 1 : 0;
        if (!good) unusable++;
      }
    }
  }
  return unusable;
}

function scan({ rows: all, stride, queriesAt, rowsAt, productsAt }: Segment, { fromRow, rows, queries }: ScanTask, dotRows: DotRows): void {
  const block = Math.max(4, Math.floor(blockBytes / stride) & ~3);
  for (let done = 0; done < rows; done += block) {
    const from = fromRow + done;
    const count = Math.min(block, rows - done);
    for (let query = 0; query < queries; query++) {
      dotRows(rowsAt + from * stride, count, stride, queriesAt + query * stride, productsAt + (query * all + from) * 4);
    }
  }
}

/** Fills `bytes` from `at`. Throws RangeError when the file ends before. */
export function readExactly(fd: number, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    const read = readSync(fd, bytes, done, bytes.length - done, at + done);
    if (read === 0) throw new RangeError(`openIndex: expected ${bytes.length} bytes from ${at}, the file ends after ${done} of them; it was changed or cut short`);
    done += read;
  }
}
