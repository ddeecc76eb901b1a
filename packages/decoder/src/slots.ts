import { CacheContents } from "./cache-contents.js";
import type { Prompt } from "./segments.js";

/** A sequence of the context. */
export interface Slot {
  /** llama.cpp's number for it. */
  readonly index: number;
  /** Kept equal to what the KV cache holds. */
  readonly contents: CacheContents;
}

interface Waiting {
  readonly prompt: Prompt;
  readonly resolve: (slot: Slot) => void;
}

/**
 * Which sequences are in use, and which of the idle ones a new prompt should take: it should compute little, and not
 * throw away a cache that somebody may come back to. Who finds none idle waits in line.
 */
export class Slots {
  readonly all: readonly Slot[];
  /** The least recently used first. */
  readonly #idle: Slot[];
  readonly #waiting: Waiting[] = [];

  constructor(count: number) {
    this.all = Array.from({ length: count }, (_, index) => ({ index, contents: new CacheContents() }));
    this.#idle = [...this.all];
  }

  /** How many are idle. */
  get idle(): number {
    return this.#idle.length;
  }

  /** An idle slot for somebody who keeps it; undefined when there is none. */
  take(): Slot | undefined {
    const empty = this.#idle.find(({ contents }) => contents.length === 0);
    return this.#remove(empty ?? this.#idle[0]);
  }

  /** The idle slot for a prompt, now or when one becomes idle, in the order of asking. Aborted: undefined. */
  takeFor(prompt: Prompt, signal: AbortSignal | undefined): Promise<Slot | undefined> {
    if (signal?.aborted) return Promise.resolve(undefined);
    const slot = this.#waiting.length > 0 ? undefined : this.#remove(this.#best(prompt));
    if (slot) return Promise.resolve(slot);
    return new Promise((resolve) => {
      const leave = (): void => {
        const at = this.#waiting.indexOf(waiting);
        if (at >= 0) this.#waiting.splice(at, 1);
        resolve(undefined);
      };
      const waiting: Waiting = {
        prompt,
        resolve: (given) => {
          signal?.removeEventListener("abort", leave);
          resolve(given);
        },
      };
      this.#waiting.push(waiting);
      signal?.addEventListener("abort", leave, { once: true });
    });
  }

  /** Gives a slot back, with its contents. */
  release(slot: Slot): void {
    this.#idle.push(slot);
    const next = this.#waiting.shift();
    if (next) next.resolve(this.#remove(this.#best(next.prompt)) as Slot);
  }

  /** The slot that holds most of a prompt's beginning, of all but one or of the idle ones. */
  fullest(prompt: Prompt, { except, onlyIdle = false }: { readonly except?: Slot; readonly onlyIdle?: boolean } = {}): { readonly slot: Slot; readonly length: number } | undefined {
    let best: { slot: Slot; length: number } | undefined;
    for (const slot of onlyIdle ? this.#idle : this.all) {
      const length = slot === except ? 0 : slot.contents.commonPrefix(prompt);
      if (length > (best?.length ?? 0)) best = { slot, length };
    }
    return best;
  }

  /** One whose contents the prompt continues, or mostly shares; else the one that was used longest ago. */
  #best(prompt: Prompt): Slot | undefined {
    let best: Slot | undefined;
    let most = 0;
    for (const slot of this.#idle) {
      const shared = slot.contents.commonPrefix(prompt);
      if (shared > most && shared * 2 >= slot.contents.length) [best, most] = [slot, shared];
    }
    return best ?? this.#idle.find(({ contents }) => contents.length === 0) ?? this.#idle[0];
  }

  #remove(slot: Slot | undefined): Slot | undefined {
    if (slot) this.#idle.splice(this.#idle.indexOf(slot), 1);
    return slot;
  }
}
