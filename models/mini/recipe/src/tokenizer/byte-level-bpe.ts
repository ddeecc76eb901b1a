/**
 * A byte-level byte-pair encoding (Sennrich et al. 2016 over bytes, as GPT-2 and Qwen use it), trained on a word count.
 * Only training is here: reading is done by @huggingface/tokenizers and by llama.cpp, from what these functions write.
 */
export interface BytePairVocabulary {
  /** Tokens by id, in the printable alphabet of GPT-2. */
  readonly tokens: readonly string[];
  /** Pairs in the order in which they are merged. */
  readonly merges: readonly (readonly [string, string])[];
}

/** How Qwen 2 cuts text into words before any merge (tokenizer_config of Qwen2; llama.cpp's `qwen2` pre-tokenizer). */
export const qwen2WordPattern: string =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** JavaScript has no inline flags; the contractions are spelt in both cases instead. */
const wordPattern = new RegExp(
  qwen2WordPattern.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"),
  "gu",
);

/** GPT-2's table from bytes to printable characters: printable Latin-1 stays, the rest moves to U+0100 and on. */
export function byteAlphabet(): readonly string[] {
  const alphabet: string[] = [];
  let moved = 0;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    alphabet.push(String.fromCodePoint(printable ? byte : 256 + moved++));
  }
  return alphabet;
}

/**
 * Learns merges until every word that occurs at least `minimumCount` times is one token, or the vocabulary is full.
 * Ties go to the pair that sorts first, so that the same texts always give the same vocabulary.
 */
export function trainBytePairs(texts: Iterable<string>, vocabularySize: number, minimumCount = 2): BytePairVocabulary {
  const alphabet = byteAlphabet();
  const encoder = new TextEncoder();
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const [word] of text.matchAll(wordPattern)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const words = [...counts].map(([word, count]) => ({ symbols: [...encoder.encode(word)].map((byte) => alphabet[byte] as string), count }));
  const tokens = [...alphabet].sort();
  const known = new Set(tokens);
  const merges: [string, string][] = [];
  while (tokens.length < vocabularySize) {
    const best = mostFrequentPair(words, minimumCount);
    if (!best) break;
    const [left, right] = best;
    merges.push(best);
    const merged = left + right;
    if (!known.has(merged)) tokens.push(merged);
    known.add(merged);
    for (const word of words) word.symbols = mergePair(word.symbols, left, right);
  }
  return { tokens, merges };
}

function mostFrequentPair(words: readonly { symbols: readonly string[]; count: number }[], minimumCount: number): [string, string] | undefined {
  const pairs = new Map<string, number>();
  for (const { symbols, count } of words) {
    for (let i = 1; i < symbols.length; i++) {
      const pair = `${symbols[i - 1]} ${symbols[i]}`;
      pairs.set(pair, (pairs.get(pair) ?? 0) + count);
    }
  }
  let best: string | undefined;
  let bestCount = minimumCount - 1;
  for (const [pair, count] of pairs) {
    if (count > bestCount || (count === bestCount && best !== undefined && pair < best)) {
      best = pair;
      bestCount = count;
    }
  }
  return best?.split(" ") as [string, string] | undefined;
}

function mergePair(symbols: readonly string[], left: string, right: string): string[] {
  const merged: string[] = [];
  for (let i = 0; i < symbols.length; i++) {
    if (symbols[i] === left && symbols[i + 1] === right) {
      merged.push(left + right);
      i++;
    } else merged.push(symbols[i] as string);
  }
  return merged;
}

/** The vocabulary with special tokens behind it, as Hugging Face's tokenizer.json. */
export function tokenizerJson({ tokens, merges }: BytePairVocabulary, specials: readonly string[], lowerCase: boolean): unknown {
  const all = [...tokens, ...specials];
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: specials.map((content, i) => ({
      id: tokens.length + i,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: lowerCase ? { type: "Lowercase" } : null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: qwen2WordPattern }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(all.map((token, id) => [token, id])),
      merges: merges.map(([left, right]) => [left, right]),
    },
  };
}
