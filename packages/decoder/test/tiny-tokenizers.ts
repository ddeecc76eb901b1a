import type { GgufValue } from "@sightline/weights";

const letters = "abcdefghijklmnopqrstuvwxyz";

/** GPT-2's spelling of bytes as printable characters. */
const byteSpellings: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const printable = (b: number): boolean => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
  if (printable(byte)) return String.fromCharCode(byte);
  let rank = 0;
  for (let b = 0; b < byte; b++) if (!printable(b)) rank++;
  return String.fromCharCode(256 + rank);
});

const merges: readonly (readonly [string, string])[] = [
  ...[...letters].map((letter) => ["\u0120", letter] as const),
  ...[...letters].flatMap((first) => [...letters].map((second) => [first, second] as const)),
];

const pieces: readonly string[] = [...byteSpellings, ...merges.map((pair) => pair.join(""))];
const spellings: readonly string[] = [...pieces, "<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/** Token ids: a byte's id is its value. */
export const vocabularySize: number = spellings.length;
export const endOfText: number = vocabularySize - 3;
export const imStart: number = vocabularySize - 2;
export const imEnd: number = vocabularySize - 1;

const text = (value: string): GgufValue => ({ type: "string", value });
const count = (value: number): GgufValue => ({ type: "uint32", value });

/** Of a GGUF. */
export type Metadata = readonly (readonly [string, GgufValue])[];

export function vocabularySizeOf(tokenizer: Metadata): number {
  const tokens = tokenizer.find(([key]) => key === "tokenizer.ggml.tokens");
  if (!tokens) throw new Error("vocabularySizeOf: a tokenizer without tokens");
  return (tokens[1].value as readonly string[]).length;
}

/**
 * A byte-level BPE tokenizer, whatever the architecture: bytes, pairs of letters, two newlines in one, special tokens.
 * @param pre how it splits texts before it merges
 */
export function byteLevelTokenizer(pre: string, { specials, bos, eos, addBos = false }: { readonly specials: readonly string[]; readonly bos: string; readonly eos: string; readonly addBos?: boolean }): Metadata {
  const newline = "\u010a";
  const first = pieces.length + 1;
  const id = (special: string): number => first + specials.indexOf(special);
  return bytePairs(pre, [...pieces, newline + newline, ...specials], [...merges, [newline, newline]], { first, bos: id(bos), eos: id(eos), addBos });
}

function bytePairs(pre: string, tokens: readonly string[], pairs: readonly (readonly [string, string])[], special: { readonly first: number; readonly bos: number; readonly eos: number; readonly addBos: boolean }): Metadata {
  return [
    ["tokenizer.ggml.model", text("gpt2")],
    ["tokenizer.ggml.pre", text(pre)],
    ["tokenizer.ggml.tokens", { type: "array", of: "string", value: tokens }],
    ["tokenizer.ggml.token_type", { type: "array", of: "int32", value: tokens.map((_, id) => (id >= special.first ? 3 : 1)) }],
    ["tokenizer.ggml.merges", { type: "array", of: "string", value: pairs.map((pair) => pair.join(" ")) }],
    ["tokenizer.ggml.bos_token_id", count(special.bos)],
    ["tokenizer.ggml.eos_token_id", count(special.eos)],
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: special.addBos }],
  ];
}

/** The tokenizer of tiny models. */
export const tokenizerMetadata: Metadata = bytePairs("qwen2", spellings, merges, { first: endOfText, bos: endOfText, eos: imEnd, addBos: false });

/**
 * A SentencePiece tokenizer: bytes, letters, pairs of letters, special tokens after the usual four.
 * @param spacePrefix whether a text gets a space in front, as with Llama; not with Gemma
 */
export function sentencePieceTokenizer({ specials, eos, spacePrefix }: { readonly specials: readonly string[]; readonly eos: string; readonly spacePrefix: boolean }): Metadata {
  const controls = ["<pad>", "<eos>", "<bos>", ...specials];
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const characters = ["\u2581", ...Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)), "\n"];
  const pairs = ["\n\n", "\u2581\u2581", ...[...letters].map((letter) => `\u2581${letter}`), ...[...letters].flatMap((first) => [...letters].map((second) => first + second))];
  const kinds: readonly (readonly [number, readonly string[]])[] = [[3, controls], [2, ["<unk>"]], [6, bytes], [1, pairs], [1, characters]];
  const tokens = kinds.flatMap(([, spelled]) => spelled);
  return [
    ["tokenizer.ggml.model", text("llama")],
    ["tokenizer.ggml.tokens", { type: "array", of: "string", value: tokens }],
    ["tokenizer.ggml.scores", { type: "array", of: "float32", value: tokens.map((_, id) => -id) }],
    ["tokenizer.ggml.token_type", { type: "array", of: "int32", value: kinds.flatMap(([kind, spelled]) => spelled.map(() => kind)) }],
    ["tokenizer.ggml.bos_token_id", count(controls.indexOf("<bos>"))],
    ["tokenizer.ggml.eos_token_id", count(controls.indexOf(eos))],
    ["tokenizer.ggml.unknown_token_id", count(controls.length)],
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: true }],
    ["tokenizer.ggml.add_space_prefix", { type: "bool", value: spacePrefix }],
  ];
}
