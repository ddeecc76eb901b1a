import { createHash } from "node:crypto";
import type { Decoder, DecoderInfo, Segment, TextToTokenize } from "@sightline/decoder";
import { joinRows } from "../join-rows.js";
import { SightlineError } from "../sightline-error.js";
import type { ImageModel, PicturePart } from "../image-model.js";
import { chatMlTemplate, layOutPrompt, type PromptPiece } from "./chat-template.js";
import type { ChatPictures, Picture, PlannedPicture } from "./chat-pictures.js";
import { partsOf, type ChatMessage, type ImagePart } from "./messages.js";

/** A prompt whose pictures are planned but not encoded. */
export interface DraftPrompt {
  /** The pictures in the prompt's order. */
  readonly pictures: readonly PlannedPicture[];
  /** Decoder rows, text and pictures. */
  readonly length: number;
  readonly imageTokens: number;
  /** The prompt, once the pictures' rows are there: `rows[i]` stands for `pictures[i]`. */
  readonly segments: (rows: readonly (readonly PicturePart[])[]) => Promise<Segment[]>;
}

/** Tokenised text, or rows of a picture: those of `part` of its plan's layout. */
export type DraftPart = { readonly type: "tokens"; readonly tokens: Int32Array } | { readonly type: "rows"; readonly picture: number; readonly part: number };

/** The decoder's side of a prompt: its template and its tokenizer. */
export interface PromptDecoder extends Pick<Decoder, "tokenize" | "tokenizeTexts"> {
  readonly info: Pick<DecoderInfo, "chatTemplate" | "bosToken" | "eosToken" | "addBos">;
}

/** The pieces of a conversation, by the decoder's template. */
export function layOutChat(messages: readonly ChatMessage[], { info }: PromptDecoder, { family, afterImage }: ImageModel): PromptPiece[] {
  const images = { ...(family.marker === undefined ? {} : { marker: family.marker }), after: afterImage };
  return layOutPrompt(info.chatTemplate ?? chatMlTemplate, messages, { bos: info.bosToken?.text ?? "", eos: info.eosToken?.text ?? "" }, images);
}

/**
 * A conversation as the decoder reads it, with what it is to answer next.
 * @param plan says how each picture of the prompt is shown, in their order
 */
export function draftParts<Planned extends Pick<PlannedPicture, "plan">>(messages: readonly ChatMessage[], decoder: PromptDecoder, model: ImageModel, plan: (images: readonly ImagePart[]) => readonly Planned[]): { readonly parts: readonly DraftPart[]; readonly planned: readonly Planned[] } {
  const pieces = layOutChat(messages, decoder, model);
  const planned = plan(pieces.flatMap((piece) => (piece.type === "image" ? [piece.part] : [])));
  return { parts: tokenised(withLayouts(pieces, planned), decoder), planned };
}

/** Lays out a conversation with the decoder's template and the plans of its pictures. */
export function draftChat(messages: readonly ChatMessage[], pictures: ReadonlyMap<ImagePart, Picture>, { decoder, model, planner }: PromptModel): DraftPrompt {
  const { parts, planned } = draftParts(messages, decoder, model, (images) => planner.plan(images, pictures));
  const imageTokens = planned.reduce((sum, { plan }) => sum + model.tokens(plan), 0);
  const textTokens = parts.reduce((sum, part) => sum + (part.type === "tokens" ? part.tokens.length : 0), 0);
  return {
    pictures: planned,
    imageTokens,
    length: textTokens + imageTokens,
    segments: async (rows) => parts.map((part): Segment => {
      if (part.type === "tokens") return part;
      const shown = rows[part.picture]?.[part.part];
      if (shown?.type !== "rows") throw new Error(`draftChat: picture ${part.picture} has no rows in place ${part.part}`);
      const { embeddings, attention, grid } = shown;
      return { type: "embeddings", embeddings, attention, id: `${planned[part.picture]?.key}:${part.part}`, ...(grid ? { grid } : {}) };
    }),
  };
}

/** What a prompt is made for. */
export interface PromptModel {
  readonly decoder: PromptDecoder;
  readonly model: ImageModel;
  readonly planner: Pick<ChatPictures, "plan">;
}

type LaidOut = Exclude<PromptPiece, { type: "image" }> | Extract<DraftPart, { type: "rows" }>;

/** Puts each picture's layout in its place. */
function withLayouts(pieces: readonly PromptPiece[], planned: readonly Pick<PlannedPicture, "plan">[]): LaidOut[] {
  let picture = 0;
  return pieces.flatMap((piece): LaidOut[] => {
    if (piece.type !== "image") return [piece];
    const index = picture++;
    return (planned[index] as Pick<PlannedPicture, "plan">).plan.layout.map((part, at): LaidOut => (part.type === "text" ? { type: "scaffold", text: part.text } : { type: "rows", picture: index, part: at }));
  });
}

/**
 * What stands between pictures is tokenised together, as it is to a tokenizer that sees all of it; special tokens are read
 * in scaffolding only: what looks like one in texts of messages stays text.
 */
function tokenised(pieces: readonly LaidOut[], decoder: PromptModel["decoder"]): DraftPart[] {
  const { addBos, bosToken } = decoder.info;
  const first = pieces[0];
  const hasBos = first?.type === "scaffold" && bosToken !== undefined && bosToken.text !== "" && first.text.startsWith(bosToken.text);
  const parts: DraftPart[] = [];
  let texts: TextToTokenize[] = [];
  const flush = (): void => {
    const tokens = decoder.tokenizeTexts(texts, { addBos: parts.length === 0 && addBos && !hasBos });
    if (tokens.length > 0) parts.push({ type: "tokens", tokens });
    texts = [];
  };
  for (const piece of pieces) {
    if (piece.type !== "rows") {
      texts.push({ text: piece.text, specials: piece.type === "scaffold" });
      continue;
    }
    flush();
    parts.push(piece);
  }
  flush();
  return parts;
}

/** Reads rows of the decoder's table of token embeddings, float32[T, E]. */
export type TokenRows = (tokens: Int32Array) => Promise<Float32Array>;

/**
 * PaliGemma's prompt (Beyer et al. 2024, 3.1): the pictures of all messages, then the last question, as one block whose
 * rows all look at each other. It knows no turns and no system message.
 * @throws SightlineError `invalid-message` for a system message
 */
export function draftPrefix(messages: readonly ChatMessage[], pictures: ReadonlyMap<ImagePart, Picture>, { decoder, model, planner }: PromptModel, tokenRows: TokenRows): DraftPrompt {
  if (messages.some(({ role }) => role === "system")) throw new SightlineError("invalid-message", "chat: this model reads pictures and one question, and no system message; put what it is to know into the question");
  const planned = planner.plan(messages.flatMap((message) => partsOf(message).filter((part) => part.type === "image")), pictures);
  const question = partsOf(messages.at(-1) as ChatMessage).map((part) => (part.type === "text" ? part.text : "")).join("");
  const bos = decoder.tokenize("", { specials: true, addBos: true });
  const text = decoder.tokenize(`${question}\n`, { specials: false, addBos: false });
  const tokens = Int32Array.from([...bos, ...text]);
  const imageTokens = planned.reduce((sum, { plan }) => sum + model.tokens(plan), 0);
  return {
    pictures: planned,
    imageTokens,
    length: imageTokens + tokens.length,
    async segments(rows) {
      const blocks = [...rows.flat().flatMap((part) => (part.type === "rows" ? [part.embeddings] : [])), await tokenRows(tokens)];
      const id = createHash("sha256").update(JSON.stringify([planned.map(({ key }) => key), [...tokens]])).digest("hex");
      return [{ type: "embeddings", embeddings: joinRows(blocks), id, attention: "non-causal" }];
    },
  };
}

/** The conversation without its oldest turn; `undefined` where only the last question, or the system's word, is left. */
export function withoutOldestTurn(messages: readonly ChatMessage[]): readonly ChatMessage[] | undefined {
  const first = messages.findIndex(({ role }) => role !== "system");
  const next = messages.findIndex(({ role }, i) => i > first && role === "user");
  return first === -1 || next === -1 ? undefined : messages.filter((message, i) => i >= next || (i < first && message.role === "system"));
}
