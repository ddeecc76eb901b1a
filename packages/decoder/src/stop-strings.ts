/** What may be shown now, and the stop string that ended the text, if one did. */
export interface StopCheck {
  readonly text: string;
  readonly stop?: string;
}

/**
 * Cuts a stream of text before the first stop string, wherever the borders of its parts fall:
 * an end that could still become a stop string is held back until it is decided.
 * The stop string that is complete first wins; of those complete at the same character, the longest.
 */
export class StopStrings {
  readonly #stops: readonly string[];
  readonly #longest: number;
  readonly #firstUnits: ReadonlySet<number>;
  #held = "";

  constructor(stops: readonly string[]) {
    this.#stops = stops;
    this.#longest = Math.max(0, ...stops.map((stop) => stop.length));
    this.#firstUnits = new Set(stops.map((stop) => stop.charCodeAt(0)));
  }

  /** Adds text. After a result with `stop` the stream is over. */
  push(text: string): StopCheck {
    if (this.#stops.length === 0) return { text };
    const all = this.#held + text;
    let found: { readonly at: number; readonly end: number; readonly stop: string } | undefined;
    for (const stop of this.#stops) {
      const at = all.indexOf(stop);
      if (at < 0) continue;
      const end = at + stop.length;
      if (found === undefined || end < found.end || (end === found.end && at < found.at)) found = { at, end, stop };
    }
    if (found !== undefined) {
      this.#held = "";
      return { text: all.slice(0, found.at), stop: found.stop };
    }
    const keep = this.#undecidedFrom(all);
    this.#held = all.slice(keep);
    return { text: all.slice(0, keep) };
  }

  /** The text that was still held back: it is no stop string after all. */
  flush(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }

  /** Where an end begins that a stop string begins with, too. */
  #undecidedFrom(all: string): number {
    for (let at = Math.max(0, all.length - this.#longest + 1); at < all.length; at++) {
      if (this.#firstUnits.has(all.charCodeAt(at)) && this.#stops.some((stop) => stop.startsWith(all.slice(at)))) return at;
    }
    return all.length;
  }
}
