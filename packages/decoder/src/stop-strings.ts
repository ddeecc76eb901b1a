/** What may be shown now, and the stop string that ended the text, if one did. */
export interface StopCheck {
  readonly text: string;
  readonly stop?: string;
}

/**
 * Cuts a stream of text before the first stop string, wherever the borders of its parts fall:
 * an end that could still become a stop string is held back until it is decided.
 * Of stop strings that are complete at the same time the one that starts first wins, then the longest.
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
    let found: { at: number; stop: string } | undefined;
    for (const stop of this.#stops) {
      const at = all.indexOf(stop);
      if (at < 0) continue;
      if (found === undefined || at < found.at || (at === found.at && stop.length > found.stop.length)) found = { at, stop };
    }
    if (found !== undefined) {
      this.#held = "";
      return { text: all.slice(0, found.at), stop: found.stop };
    }
    let keep = all.length;
    for (let at = Math.max(0, all.length - this.#longest + 1); at < all.length; at++) {
      if (this.#firstUnits.has(all.charCodeAt(at)) && this.#stops.some((stop) => stop.startsWith(all.slice(at)))) {
        keep = at;
        break;
      }
    }
    this.#held = all.slice(keep);
    return { text: all.slice(0, keep) };
  }

  /** The text that was still held back: it is no stop string after all. */
  flush(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }
}
