import { newStemmer } from "snowball-stemmers";
import { checkCaptions, type CaptionToScore } from "../captions/score-captions.js";
import { wordsOf } from "../captions/ngrams.js";
import { tokenizeCaption } from "../captions/tokenizer/caption-words.js";
import { alignWords, chunksOf } from "./align-words.js";
import { WordNet } from "./word-net.js";

/** METEOR 1.5's parameters for English, and what matches of each kind are worth. */
const [alpha, beta, gamma, delta] = [0.85, 0.2, 0.6, 0.75];
const [exact, stem, synonym] = [1, 0.6, 0.8];

/** Words that say little by themselves; they count less than others. Ours: METEOR's own list comes with its jar. */
const functionWords = new Set(
  `a an the and or but nor so yet if as of in on at by to for from with without into onto over under up down out off about after before
   between among through during near next is are was were be been being am has have had having do does did will would can could may
   might shall should must not no it its he she they them his her their this that these those there here who whom whose which what
   when where while than then i you we me us my your our him -lrb- -rrb- 's 're 've 'll 'd 'm n't`.split(/\s+/),
);

/** METEOR without its table of paraphrases. */
export interface MeteorScores {
  /** From the sums over all images, 0 to 1. Named for what it lacks: published METEOR has a table of paraphrases besides. */
  readonly meteorNoParaphrase: number;
  readonly perImage: readonly { readonly imageId: number | string; readonly meteorNoParaphrase: number }[];
}

/** What a score is made of; sums of it make a corpus's. */
interface Counts {
  readonly candidateWeight: number;
  readonly referenceWeight: number;
  readonly candidateMatched: number;
  readonly referenceMatched: number;
  readonly matches: number;
  readonly chunks: number;
  /** Of the longer text; when all of it is matched in one run, nothing is out of order. */
  readonly length: number;
}

/**
 * METEOR (Denkowski & Lavie 2014) without its table of paraphrases: words match when they are the same, have the same stem
 * (Snowball), or share a set of synonyms (WordNet 3.1). An image's score is that of its best reference.
 * @throws EvalError as `scoreCaptions`
 */
export function meteorNoParaphrase(captions: readonly CaptionToScore[]): MeteorScores {
  checkCaptions(captions);
  const matcher = new WordMatcher();
  const sum: { -readonly [K in keyof Counts]: number } = { candidateWeight: 0, referenceWeight: 0, candidateMatched: 0, referenceMatched: 0, matches: 0, chunks: 0, length: 0 };
  const perImage = captions.map(({ imageId, candidate = "", references }) => {
    const words = wordsOf(tokenizeCaption(candidate));
    const counted = references.map((reference) => matcher.compare(words, wordsOf(tokenizeCaption(reference))));
    const best = counted.reduce((a, b) => (score(b) > score(a) ? b : a));
    for (const key of Object.keys(sum) as (keyof Counts)[]) sum[key] += best[key];
    return { imageId, meteorNoParaphrase: score(best) };
  });
  return { meteorNoParaphrase: score(sum), perImage };
}

function score({ candidateWeight, referenceWeight, candidateMatched, referenceMatched, matches, chunks, length }: Counts): number {
  if (matches === 0) return 0;
  const [precision, recall] = [candidateMatched / candidateWeight, referenceMatched / referenceWeight];
  const mean = (precision * recall) / (alpha * precision + (1 - alpha) * recall);
  const fragmentation = matches === length && chunks === 1 ? 0 : chunks / matches;
  return mean * (1 - gamma * fragmentation ** beta);
}

class WordMatcher {
  readonly #stemmer = newStemmer("english");
  readonly #wordNet = new WordNet();
  readonly #stems = new Map<string, string>();
  readonly #sets = new Map<string, ReadonlySet<string>>();
  readonly #weights = new Map<string, number>();

  compare(candidate: readonly string[], reference: readonly string[]): Counts {
    const matches = alignWords(candidate, reference, (a, b) => this.#weight(a, b));
    const worth = (words: readonly string[], at: (match: (typeof matches)[number]) => number): number => matches.reduce((sum, match) => sum + match.weight * weightOf(words[at(match)] as string), 0);
    return {
      candidateWeight: candidate.reduce((sum, word) => sum + weightOf(word), 0),
      referenceWeight: reference.reduce((sum, word) => sum + weightOf(word), 0),
      candidateMatched: worth(candidate, (match) => match.candidate),
      referenceMatched: worth(reference, (match) => match.reference),
      matches: matches.length,
      chunks: chunksOf(matches),
      length: Math.max(candidate.length, reference.length),
    };
  }

  #weight(a: string, b: string): number {
    if (a === b) return exact;
    return kept(this.#weights, `${a} ${b}`, () => this.#weightOfPair(a, b));
  }

  #weightOfPair(a: string, b: string): number {
    if (share(this.#setsOf(a), this.#setsOf(b))) return synonym;
    return this.#stemOf(a) === this.#stemOf(b) ? stem : 0;
  }

  #stemOf(word: string): string {
    return kept(this.#stems, word, () => this.#stemmer.stem(word));
  }

  #setsOf(word: string): ReadonlySet<string> {
    return kept(this.#sets, word, () => this.#wordNet.synonymSets(word));
  }
}

function share(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  for (const set of a) if (b.has(set)) return true;
  return false;
}

function weightOf(word: string): number {
  return functionWords.has(word) ? 1 - delta : delta;
}

function kept<T>(store: Map<string, T>, key: string, make: () => T): T {
  const known = store.get(key);
  if (known !== undefined) return known;
  const made = make();
  store.set(key, made);
  return made;
}
