import { GraphError, type Session, type TensorValue } from "@sightline/graph";
import type { PatchGrid } from "@sightline/vision-tower";

/** Grids whose sessions are kept: each holds the tower's weights. */
const kept = 3;

interface OpenedGrid {
  readonly session: Promise<Session>;
  /** Runs that wait for it or are under way. */
  readonly runs: Set<Promise<unknown>>;
}

/**
 * Sessions of tower and projector, one for each grid of patches, opened when a picture of that grid comes. Towers of one
 * resolution have one; of the others the grids used last are kept.
 */
export class GridSessions implements AsyncDisposable {
  readonly #open: (grid: PatchGrid) => Promise<Session>;
  readonly #source: AsyncDisposable;
  readonly #sessions = new Map<string, OpenedGrid>();
  readonly #closing = new Set<Promise<unknown>>();
  #disposed = false;

  /** @param source what sessions are opened from; closed with them */
  constructor(open: (grid: PatchGrid) => Promise<Session>, source: AsyncDisposable) {
    this.#open = open;
    this.#source = source;
  }

  /** Opens the session of a grid. Throws what opening throws. */
  async warm(grid: PatchGrid): Promise<void> {
    await this.#opened(grid).session;
  }

  /**
   * @param pixels float32[B, 3, H, W]
   * @returns float32[B, N, W]
   * @throws GraphError when disposed, or when the run fails
   */
  async run(grid: PatchGrid, pixels: TensorValue): Promise<Float32Array> {
    const { session, runs } = this.#opened(grid);
    const run = session.then((opened) => opened.run({ pixels }));
    const ended: Promise<unknown> = run.catch(() => {}).finally(() => runs.delete(ended));
    runs.add(ended);
    return (await run)["embeddings"]?.data as Float32Array;
  }

  /** Waits for runs under way, then frees all sessions. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    for (const opened of this.#sessions.values()) this.#close(opened);
    this.#sessions.clear();
    await Promise.all(this.#closing);
    await this.#source[Symbol.asyncDispose]();
  }

  #opened(grid: PatchGrid): OpenedGrid {
    if (this.#disposed) throw new GraphError("ImageEncoder: the encoder is disposed");
    const key = `${grid.rows}x${grid.columns}`;
    const known = this.#sessions.get(key);
    const opened = known ?? { session: this.#open(grid), runs: new Set() };
    // A Map keeps the order of insertion; the last is the most recent.
    this.#sessions.delete(key);
    this.#sessions.set(key, opened);
    if (!known) opened.session.catch(() => this.#sessions.delete(key));
    for (const [oldest, old] of this.#sessions) {
      if (this.#sessions.size <= kept) break;
      this.#sessions.delete(oldest);
      this.#close(old);
    }
    return opened;
  }

  #close({ session, runs }: OpenedGrid): void {
    // One that never opened has nothing to close.
    const closing: Promise<unknown> = Promise.all(runs).then(() => session).then((opened) => opened[Symbol.asyncDispose](), () => {}).finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}
