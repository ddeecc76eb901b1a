import { Tokenizer } from "@huggingface/tokenizers";
import { chatSpecials } from "./mini-config.js";
import { objects } from "./objects.js";

const decidingWeight = 3;

export interface Turn {
  readonly question: string;
  readonly answer: string;
}

/** One conversation as the decoder reads it. */
export interface TokenizedChat {
  /** Token ids in order; the image stands before `tokens[imageAt]`. */
  readonly tokens: readonly number[];
  readonly imageAt: number;
  /** For each token: whether it belongs to an answer and is learnt. */
  readonly learnt: readonly boolean[];
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
   * How much a learnt token counts: what an answer decides (a name, yes or no, a number) more than the words around it,
   * which are learnt at once.
   */
  weightOf(id: number): number {
    return this.#deciding.has(id) ? decidingWeight : 1;
  }

  /**
   * As many turns as fit in `limit` tokens, the image at the start of the first question.
   * @param system text of a system message, or undefined for none
   */
  encode(turns: readonly Turn[], limit: number, system?: string): TokenizedChat {
    const tokens: number[] = [];
    const learnt: boolean[] = [];
    const push = (ids: readonly number[], learn: boolean): void => {
      for (const id of ids) {
        tokens.push(id);
        learnt.push(learn);
      }
    };
    if (system !== undefined) push([this.#start, ...this.#text(`system\n${system}`), this.#end, ...this.#text("\n")], false);
    push([this.#start, ...this.#text("user\n")], false);
    const imageAt = tokens.length;
    for (const [i, { question, answer }] of turns.entries()) {
      const asked = [...(i === 0 ? [] : [this.#start, ...this.#text("user\n")]), ...this.#text(question), this.#end, ...this.#text("\n")];
      const opening = [this.#start, ...this.#text("assistant\n")];
      const answered = [...this.#text(answer), this.#end];
      if (tokens.length + asked.length + opening.length + answered.length + 1 > limit) {
        if (i === 0) throw new Error(`ChatTokens.encode: the first turn does not fit ${limit} tokens: "${question}" "${answer}"`);
        break;
      }
      push(asked, false);
      push(opening, false);
      push(answered, true);
      push(this.#text("\n"), false);
    }
    return { tokens, imageAt, learnt };
  }

  #text(text: string): readonly number[] {
    const known = this.#cache.get(text);
    if (known) return known;
    const { ids } = this.#tokenizer.encode(text, { add_special_tokens: false });
    this.#cache.set(text, ids);
    return ids;
  }
}
