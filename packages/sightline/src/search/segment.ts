import type { SharedMemory } from "./shared-memory.js";

/**
 * Rows that lie in one shared memory, and beside them what a scan needs: queries, and a product for each query and row.
 * Threads get it as a message. Addresses are bytes.
 */
export interface Segment {
  readonly memory: SharedMemory;
  /** Of the index, the row that comes first here. */
  readonly firstRow: number;
  readonly rows: number;
  /** Bytes of a row: its int16 values, padded with zeros to a multiple of 16. */
  readonly stride: number;
  /** int16[queriesAtOnce, stride / 2] */
  readonly queriesAt: number;
  /** int32[queriesAtOnce, rows] */
  readonly productsAt: number;
  /** uint8[rows]: 1 for a row that has a direction. */
  readonly usableAt: number;
  /** int16[rows, stride / 2] */
  readonly rowsAt: number;
}

/** Queries that one scan compares rows with. */
export const queriesAtOnce = 4;

/** Below what WebAssembly can address, with room. */
const mostBytes = 2 ** 31;

type Layout = Omit<Segment, "memory">;

/** Where everything of an index lies, in as few memories as can be. */
export function planSegments(rows: number, width: number, bytesOfOne: number = mostBytes): (Layout & { readonly bytes: number })[] {
  const stride = Math.ceil((width * 2) / 16) * 16;
  const perRow = stride + 4 * queriesAtOnce + 1;
  const most = Math.max(1, Math.floor((bytesOfOne - 64 - queriesAtOnce * stride) / perRow));
  return Array.from({ length: Math.ceil(rows / most) }, (_, i) => {
    const firstRow = i * most;
    const count = Math.min(most, rows - firstRow);
    const queriesAt = 0;
    const rowsAt = queriesAtOnce * stride;
    const productsAt = rowsAt + count * stride;
    const usableAt = productsAt + count * 4 * queriesAtOnce;
    return { firstRow, rows: count, stride, queriesAt, rowsAt, productsAt, usableAt, bytes: usableAt + count + 15 };
  });
}
