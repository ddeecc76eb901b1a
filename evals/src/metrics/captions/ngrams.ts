import { PairTable } from "./pair-table.js";

/** The longest n-grams that BLEU and CIDEr look at. */
export const maxOrder = 4;

/** The n-grams of one length in one text: their numbers, rising, and how often each occurs. */
export interface Tally {
  readonly ids: readonly number[];
  readonly counts: readonly number[];
  /** How many there are, each as often as it occurs. */
  readonly total: number;
}

/** One text's n-grams, for each n from 1. */
export type NgramCounts = readonly Tally[];

/** Gives each n-gram a number, so that counting compares no strings. */
export class NgramTable {
  readonly #words = new Map<string, number>();
  /** By n - 2: the number of an n-gram from that of its beginning and its last word. */
  readonly #longer: readonly PairTable[] = Array.from({ length: maxOrder - 1 }, () => new PairTable());

  /** @param tokenized tokens that spaces join; a no-break space parts words too, as in Python's split() */
  counts(tokenized: string): NgramCounts {
    const words = wordsOf(tokenized).map((word) => this.#word(word));
    const counts = [tally(words.slice())];
    let before: readonly number[] = words;
    for (let n = 2; n <= maxOrder; n++) {
      const table = this.#longer[n - 2] as PairTable;
      const ids: number[] = [];
      for (let i = 0; i + n <= words.length; i++) ids.push(table.idOf(before[i] as number, words[i + n - 1] as number));
      counts.push(tally(ids.slice()));
      before = ids;
    }
    return counts;
  }

  #word(word: string): number {
    const known = this.#words.get(word);
    if (known !== undefined) return known;
    this.#words.set(word, this.#words.size);
    return this.#words.size - 1;
  }

  /** How many n-grams of each length have a number. */
  get sizes(): readonly number[] {
    return [this.#words.size, ...this.#longer.map((table) => table.size)];
  }
}

/** The words of tokens that spaces or no-break spaces join. */
export function wordsOf(tokenized: string): readonly string[] {
  if (!tokenized.includes("\u00a0")) return tokenized === "" ? [] : tokenized.split(" ");
  return tokenized.split(/[ \u00a0]+/).filter((word) => word !== "");
}

/** Calls `both` with the places in `a` and in `b` of each n-gram that both hold. */
export function eachCommon(a: Tally, b: Tally, both: (inA: number, inB: number) => void): void {
  let [i, j] = [0, 0];
  while (i < a.ids.length && j < b.ids.length) {
    const difference = (a.ids[i] as number) - (b.ids[j] as number);
    if (difference === 0) both(i, j);
    if (difference <= 0) i++;
    if (difference >= 0) j++;
  }
}

/** Sorts `ids` in place. */
function tally(ids: number[]): Tally {
  const total = ids.length;
  ids.sort((a, b) => a - b);
  const unique: number[] = [];
  const counts: number[] = [];
  for (const id of ids) {
    if (id === unique.at(-1)) counts[counts.length - 1] = (counts.at(-1) as number) + 1;
    else {
      unique.push(id);
      counts.push(1);
    }
  }
  return { ids: unique, counts, total };
}
