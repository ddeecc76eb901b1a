import { Tokenizer } from "@huggingface/tokenizers";
import { miniText, textSpecials } from "./mini-config.js";

/** Token ids of texts for the text tower: lower-cased, closed by the end token, padded to the tower's length. */
export class TextTokens {
  readonly #tokenizer: Tokenizer;
  readonly #cache = new Map<string, BigInt64Array>();
  readonly #pad: number;
  readonly #end: number;

  constructor(tokenizerJson: object) {
    this.#tokenizer = new Tokenizer(tokenizerJson, {});
    this.#pad = this.#id(textSpecials.pad);
    this.#end = this.#id(textSpecials.end);
  }

  /** int64[T], T = miniText.maxTokens. */
  encode(text: string): BigInt64Array {
    let ids = this.#cache.get(text);
    if (!ids) {
      const body = this.#tokenizer.encode(text, { add_special_tokens: false }).ids.slice(0, miniText.maxTokens - 1);
      ids = new BigInt64Array(miniText.maxTokens).fill(BigInt(this.#pad));
      [...body, this.#end].forEach((id, i) => {
        (ids as BigInt64Array)[i] = BigInt(id);
      });
      this.#cache.set(text, ids);
    }
    return ids;
  }

  #id(token: string): number {
    const id = this.#tokenizer.token_to_id(token);
    if (id === undefined) throw new Error(`TextTokens: the tokenizer has no "${token}"`);
    return id;
  }
}
