import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";
import { loadDecoder, type TextToTokenize } from "@sightline/decoder";
import type { PromptDecoder } from "../../chat/chat-prompt.js";
import { SightlineError } from "../../sightline-error.js";

/** A decoder's template and tokenizer, as a chat uses them. */
export interface ChatTokenizer extends PromptDecoder, AsyncDisposable {
  /** Whether an answer ends with this token. */
  endsText(id: number): boolean;
}

/**
 * The tokenizer of a decoder: llama.cpp's own for a GGUF, so that training reads what a chat will; `tokenizer.json` and the
 * template beside it for a Hugging Face directory.
 * @throws DecoderError, or SightlineError `bad-input` naming the file that is missing or wrong
 */
export async function openChatTokenizer(decoder: string): Promise<ChatTokenizer> {
  if ((await stat(decoder).catch(() => undefined))?.isDirectory()) return checkpointTokenizer(decoder);
  // A context of few cells: nothing is decoded.
  return loadDecoder(decoder, { contextLength: 32, batchTokens: 32, threads: 1, gpuLayers: 0 });
}

async function checkpointTokenizer(directory: string): Promise<ChatTokenizer> {
  const read = async (name: string): Promise<unknown> => {
    const file = path.join(directory, name);
    const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return undefined;
      throw new SightlineError("bad-input", `finetune: ${file} cannot be read: ${cause.message}`, { cause });
    });
    try {
      return text === undefined || name.endsWith(".jinja") ? text : JSON.parse(text);
    } catch (cause) {
      throw new SightlineError("bad-input", `finetune: ${file} is not JSON`, { cause });
    }
  };
  const json = (await read("tokenizer.json")) as { readonly added_tokens?: readonly AddedToken[] } | undefined;
  if (!json) throw new SightlineError("bad-input", `finetune: ${directory} holds no tokenizer.json, which says how the decoder reads text`);
  const settings = fields(await read("tokenizer_config.json"));
  const generation = fields(await read("generation_config.json"));
  const whole = new Tokenizer(json, settings);
  // Without special tokens their spellings in a message stay text, as in a chat.
  const plain = new Tokenizer({ ...json, added_tokens: (json.added_tokens ?? []).filter(({ special }) => special !== true) }, settings);
  const special = (name: string): { readonly id: number; readonly text: string } | undefined => {
    const text = tokenText(settings[name]);
    const id = text === undefined ? undefined : whole.token_to_id(text);
    return text === undefined || id === undefined ? undefined : { id, text };
  };
  const [bosToken, eosToken] = [special("bos_token"), special("eos_token")];
  const ends = new Set([...[generation["eos_token_id"]].flat().filter((id) => typeof id === "number"), ...(eosToken ? [eosToken.id] : [])]);
  const addBos = bosToken !== undefined && whole.encode("a", { add_special_tokens: true }).ids[0] === bosToken.id;
  const chatTemplate = ((await read("chat_template.jinja")) as string | undefined) ?? defaultTemplate(settings["chat_template"]);
  const tokenize: ChatTokenizer["tokenize"] = (text, { specials = false, addBos: withBos = false } = {}) => {
    const ids = text === "" ? [] : (specials ? whole : plain).encode(text, { add_special_tokens: false }).ids;
    return Int32Array.from(withBos && bosToken ? [bosToken.id, ...ids] : ids);
  };
  const specialTokens = (json.added_tokens ?? []).filter((token) => token.special === true && token.content !== "");
  return {
    info: { addBos, ...(chatTemplate === undefined ? {} : { chatTemplate }), ...(bosToken ? { bosToken } : {}), ...(eosToken ? { eosToken } : {}) },
    tokenize,
    tokenizeTexts(texts, { addBos: withBos = false } = {}) {
      const ids = [...tokenize("", { addBos: withBos })];
      for (const piece of cutAtSpecials(texts, specialTokens)) {
        if (typeof piece === "string") ids.push(...tokenize(piece));
        else ids.push(piece.id);
      }
      return Int32Array.from(ids);
    },
    endsText: (id) => ends.has(id),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** An entry of `added_tokens`. */
interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special?: boolean;
  /** Takes the white space before it. */
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
}

/**
 * Texts that stand one after another, cut at the special tokens of those that may have some; what is between is one piece,
 * whatever texts it comes from, since a word may be spelled across their borders.
 */
function cutAtSpecials(texts: readonly TextToTokenize[], specials: readonly AddedToken[]): (string | AddedToken)[] {
  const bySpelling = new Map(specials.map((token) => [token.content, token]));
  // Of several that begin at one place the longest is meant.
  const spellings = [...bySpelling.keys()].sort((a, b) => b.length - a.length).map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const border = spellings.length === 0 ? undefined : new RegExp(`(${spellings.join("|")})`);
  const pieces: (string | AddedToken)[] = [];
  let between = "";
  const flush = (next?: AddedToken): void => {
    const before = pieces.at(-1);
    const fromStart = typeof before === "object" && before.rstrip === true ? between.trimStart() : between;
    const text = next?.lstrip === true ? fromStart.trimEnd() : fromStart;
    if (text !== "") pieces.push(text);
    between = "";
    if (next) pieces.push(next);
  };
  for (const { text, specials: mayHave } of texts) {
    for (const part of mayHave && border ? text.split(border) : [text]) {
      const token = mayHave ? bySpelling.get(part) : undefined;
      if (token) flush(token);
      else between += part;
    }
  }
  flush();
  return pieces;
}

/** `"<s>"`, or an object that spells it. */
function tokenText(value: unknown): string | undefined {
  const text = typeof value === "string" ? value : fields(value)["content"];
  return typeof text === "string" ? text : undefined;
}

/** A template, or the one called "default" of several. */
function defaultTemplate(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  const found: unknown = Array.isArray(value) ? fields(value.find((one) => fields(one)["name"] === "default"))["template"] : undefined;
  return typeof found === "string" ? found : undefined;
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
