import type { TokenizedConversation } from "@sightline/contrastive";
import type { Size } from "@sightline/vision-tower";
import { draftParts, layOutChat, type DraftPart } from "../../chat/chat-prompt.js";
import type { ChatMessage, ImagePart } from "../../chat/messages.js";
import type { ImageModel, PicturePlan } from "../../image-model.js";
import { SightlineError } from "../../sightline-error.js";
import type { ChatTokenizer } from "./chat-tokenizer.js";

/** A picture as a sequence shows it. */
export interface ShownPicture {
  readonly part: ImagePart;
  readonly plan: PicturePlan;
}

/** What is read in one go: a conversation, or as much of it as goes before one answer. */
export interface ConversationSequence extends TokenizedConversation {
  /** In order; the rows of their views, one after another, are the conversation's own. */
  readonly pictures: readonly ShownPicture[];
}

export interface PlacesModel {
  readonly chat: ChatTokenizer;
  readonly images: ImageModel;
  /** N, rows of a view. */
  readonly rowsPerView: number;
}

/** A closing that has no end of text within so many tokens has none. */
const mostClosingTokens = 3;

/**
 * A conversation as the decoder will read it in a chat, each answer learnt with the token that ends it. Answers follow one
 * another in one sequence as long as what a chat shows of the turns before is what stood there when they were answered;
 * where a template changes it (Qwen3 leaves out thoughts of earlier turns), the next answer has a sequence of its own.
 * @param sizes of the pictures
 * @throws SightlineError `template-failed`, `invalid-message` when the decoder's template cannot lay it out
 */
export function conversationSequences(messages: readonly ChatMessage[], model: PlacesModel, sizes: ReadonlyMap<ImagePart, Size>): ConversationSequence[] {
  const sequences: ConversationSequence[] = [];
  let places: number[] = [];
  let learnt: [from: number, to: number][] = [];
  let pictures: readonly ShownPicture[] = [];
  const close = (): void => {
    if (learnt.length === 0) return;
    const weights = new Float32Array(places.length);
    for (const [from, to] of learnt) weights.fill(1, from, to);
    sequences.push({ places: Int32Array.from(places), weights, pictures });
  };
  messages.forEach(({ role }, i) => {
    if (role !== "assistant") return;
    const prompt = promptPlaces(messages.slice(0, i), model, sizes);
    const goesOn = places.length > 0 && places.every((place, s) => prompt.places[s] === place) && JSON.stringify(pictures.map(({ plan }) => plan.views)) === JSON.stringify(prompt.pictures.slice(0, pictures.length).map(({ plan }) => plan.views));
    if (!goesOn) {
      close();
      learnt = [];
    }
    ({ pictures } = prompt);
    const answer = answerTokens(messages.slice(0, i + 1), model);
    places = [...prompt.places, ...answer];
    learnt.push([prompt.places.length, places.length]);
  });
  close();
  return sequences;
}

function promptPlaces(messages: readonly ChatMessage[], { chat, images, rowsPerView }: PlacesModel, sizes: ReadonlyMap<ImagePart, Size>): { readonly places: readonly number[]; readonly pictures: readonly ShownPicture[] } {
  const plan = (parts: readonly ImagePart[]): ShownPicture[] =>
    parts.map((part, imageIndex) => ({ part, plan: images.plan(sizes.get(part) as Size, { detail: part.detail ?? "auto", imageIndex, imageCount: parts.length }) }));
  const { parts, planned } = draftParts(messages, chat, images, plan);
  const firstView = [0];
  for (const { plan: shown } of planned) firstView.push((firstView.at(-1) as number) + shown.views.length);
  return { places: parts.flatMap((part) => placesOf(part, planned, firstView, rowsPerView)), pictures: planned };
}

function placesOf(part: DraftPart, planned: readonly ShownPicture[], firstView: readonly number[], rowsPerView: number): number[] {
  if (part.type === "tokens") return [...part.tokens];
  const layout = planned[part.picture]?.plan.layout[part.part];
  if (layout?.type !== "view") throw new SightlineError("bad-input", `finetune: pictures of this model are joined from tiles (${layout?.type ?? "nothing"}), which cannot be trained with yet; expected a model that shows each view by itself`);
  const first = ((firstView[part.picture] as number) + layout.view) * rowsPerView;
  return Array.from({ length: rowsPerView }, (_, row) => -1 - (first + row));
}

/** The last message's text, as the template has it, and what ends it. */
function answerTokens(messages: readonly ChatMessage[], { chat, images }: PlacesModel): number[] {
  const pieces = layOutChat(messages, chat, images);
  const at = pieces.findLastIndex(({ type }) => type === "text");
  const [answer, closing] = pieces.slice(at, at + 2);
  if (answer?.type !== "text") throw new SightlineError("template-failed", "finetune: the model's chat template leaves out the assistant's text");
  const after = closing?.type === "scaffold" ? [...chat.tokenize(closing.text, { specials: true })] : [];
  const end = after.slice(0, mostClosingTokens).findIndex((id) => chat.endsText(id));
  const eos = chat.info.eosToken;
  const ended = end >= 0 ? after.slice(0, end + 1) : eos ? [eos.id] : [];
  return [...chat.tokenize(answer.text, { specials: false }), ...ended];
}

/** The same, no longer than `most` places; undefined when nothing that is learnt is left. */
export function cutSequence(sequence: ConversationSequence, most: number): ConversationSequence | undefined {
  if (sequence.places.length <= most) return sequence;
  const weights = sequence.weights.subarray(0, most);
  return weights.some((weight) => weight > 0) ? { places: sequence.places.subarray(0, most), weights, pictures: sequence.pictures } : undefined;
}
