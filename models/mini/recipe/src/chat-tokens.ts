import { Tokenizer } from "@huggingface/tokenizers";
import type { TokenizedConversation } from "@sightline/contrastive";
import { patchCount } from "@sightline/vision-tower";
import { chatSpecials, miniVision } from "./mini-config.js";
import { objects } from "./objects.js";

const decidingWeight = 3;

export interface Turn {
  readonly question: string;
  readonly answer: string;
}

/** Token ids of conversations in the ChatML form of mini's chat template. */
export class ChatTokens {
  readonly pad: number;
  readonly #tokenizer: Tokenizer;
  readonly #cache = new Map<string, readonly number[]>();
  readonly #start: number;
  readonly #end: number;
  readonly #deciding: ReadonlySet<number>;

  constructor(tokenizerJson: object) {
    this.#tokenizer = new Tokenizer(tokenizerJson, {});
    const id = (token: string): number => {
      const found = this.#tokenizer.token_to_id(token);
      if (found === undefined) throw new Error(`ChatTokens: the tokenizer has no "${token}"`);
      return found;
    };
    this.pad = id(chatSpecials.endOfText);
    this.#start = id(chatSpecials.start);
    this.#end = id(chatSpecials.end);
    const words = [...objects.flatMap(({ name, plural }) => [` ${name}`, ` ${plural}`]), "Yes", "No"];
    this.#deciding = new Set(words.flatMap((word) => (this.#text(word).length === 1 ? this.#text(word) : [])));
  }

  /**
   * As many turns as fit in `limit` text tokens, the image at the start of the first question. What an answer decides (a
   * name, yes or no, a number) counts more than the words around it, which are learnt at once.
   * @param system text of a system message, or undefined for none
   */
  encode(turns: readonly Turn[], limit: number, system?: string): TokenizedConversation {
    const places: number[] = [];
    const weights: number[] = [];
    const push = (ids: readonly number[], weightOf: (id: number) => number = () => 0): void => {
      for (const id of ids) {
        places.push(id);
        weights.push(weightOf(id));
      }
    };
    const patches = patchCount(miniVision);
    if (system !== undefined) push([this.#start, ...this.#text(`system\n${system}`), this.#end, ...this.#text("\n")]);
    push([this.#start, ...this.#text("user\n")]);
    push(Array.from({ length: patches }, (_, row) => -1 - row));
    for (const [i, { question, answer }] of turns.entries()) {
      const asked = [...(i === 0 ? [] : [this.#start, ...this.#text("user\n")]), ...this.#text(question), this.#end, ...this.#text("\n")];
      const opening = [this.#start, ...this.#text("assistant\n")];
      const answered = [...this.#text(answer), this.#end];
      if (places.length - patches + asked.length + opening.length + answered.length + 1 > limit) {
        if (i === 0) throw new Error(`ChatTokens.encode: the first turn does not fit ${limit} tokens: "${question}" "${answer}"`);
        break;
      }
      push(asked);
      push(opening);
      push(answered, (id) => (this.#deciding.has(id) ? decidingWeight : 1));
      push(this.#text("\n"));
    }
    return { places: Int32Array.from(places), weights: Float32Array.from(weights) };
  }

  #text(text: string): readonly number[] {
    const known = this.#cache.get(text);
    if (known) return known;
    const { ids } = this.#tokenizer.encode(text, { add_special_tokens: false });
    this.#cache.set(text, ids);
    return ids;
  }
}
