import { performance } from "node:perf_hooks";
import { ApiError } from "../api-error.js";

/** Until an answer has been timed, seconds. */
const firstGuess = 2;

interface Waiting {
  readonly start: () => void;
}

/** Who may work on a model: so many at once, so many in line, in the order of asking; the others are told when to come back. */
export class WorkQueue {
  readonly #concurrent: number;
  readonly #limit: number;
  readonly #line: Waiting[] = [];
  #running = 0;
  /** Smoothed time of one piece of work, seconds. */
  #seconds = firstGuess;

  constructor({ concurrent, waiting }: { readonly concurrent: number; readonly waiting: number }) {
    this.#concurrent = concurrent;
    this.#limit = waiting;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#line.length;
  }

  /**
   * Waits for a turn. The function that comes back ends it, however often it is called.
   * @throws ApiError 429 at once when the line is full; the signal's reason
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#running < this.#concurrent) this.#running++;
    else await this.#wait(signal);
    const started = performance.now();
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#seconds += 0.2 * ((performance.now() - started) / 1000 - this.#seconds);
      // The turn passes on as it is, so that nobody who comes now is served before the line.
      const next = this.#line.shift();
      if (next) next.start();
      else this.#running--;
    };
  }

  #wait(signal: AbortSignal): Promise<void> {
    if (this.#line.length >= this.#limit) {
      const seconds = Math.ceil((this.#seconds * (this.#line.length + 1)) / this.#concurrent);
      throw new ApiError(429, `all ${this.#concurrent} places are taken and ${this.#line.length} requests wait; ask again later`, { code: "queue_full", headers: { "retry-after": String(Math.min(60, Math.max(1, seconds))) } });
    }
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#line.splice(this.#line.indexOf(waiting), 1);
        reject(signal.reason as Error);
      };
      const waiting: Waiting = {
        start: () => {
          signal.removeEventListener("abort", leave);
          resolve();
        },
      };
      this.#line.push(waiting);
      signal.addEventListener("abort", leave, { once: true });
    });
  }
}
