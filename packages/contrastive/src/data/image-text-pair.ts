/** An image and what is said of it. */
export interface ImageTextPair {
  /** Names the pair in messages and logs. */
  readonly id: string;
  /** A path, a `file:` URL, or the bytes of an image file, at hand or to be asked for; nothing has opened it yet. */
  readonly image: string | Uint8Array | (() => Promise<Uint8Array>);
  /** At least one; each is true of the image. */
  readonly captions: readonly string[];
}

/** An entry that is no pair. */
export interface BadPair {
  /** The pair's id, or where it stands: a file, a line. */
  readonly id: string;
  /** One of few, so that they can be counted: `no caption`, `no image`, `not JSON`. */
  readonly reason: string;
}

/** What every reader takes. */
export interface PairReaderOptions {
  /** Told of each entry that is left out; readers leave out nothing silently. See `BadPairCount`. */
  readonly onBad: (bad: BadPair) => void;
}

/** Counts entries that are left out, by reason, and remembers a few of each. */
export class BadPairCount {
  readonly #examples = new Map<string, { count: number; readonly ids: string[] }>();
  readonly #kept: number;

  /** @param kept how many ids of each reason are remembered */
  constructor(kept = 5) {
    this.#kept = kept;
  }

  /** All that were left out. */
  get total(): number {
    return [...this.#examples.values()].reduce((sum, { count }) => sum + count, 0);
  }

  /** For `PairReaderOptions.onBad`. */
  readonly add = ({ id, reason }: BadPair): void => {
    const known = this.#examples.get(reason) ?? { count: 0, ids: [] };
    known.count++;
    if (known.ids.length < this.#kept) known.ids.push(id);
    this.#examples.set(reason, known);
  };

  /** One line a reason, the most frequent first: `3 x no caption: a.jpg, b.jpg, …`. */
  report(): readonly string[] {
    return [...this.#examples]
      .sort(([, a], [, b]) => b.count - a.count)
      .map(([reason, { count, ids }]) => `${count} x ${reason}: ${ids.join(", ")}${count > ids.length ? ", …" : ""}`);
  }
}
