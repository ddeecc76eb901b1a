import { DecoderError } from "./decoder-error.js";
import { cutLongRuns } from "./long-runs.js";
import type { Llama, Pointer } from "./native-bindings.js";

/** A special token and its spelling. */
export interface SpecialToken {
  readonly id: number;
  readonly text: string;
}

/** A token's bytes, and their text where they are whole characters. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly text: string | undefined;
}

/** A model's tokenizer: text to ids and back. */
export class Vocabulary {
  readonly size: number;
  readonly bos: SpecialToken | undefined;
  readonly eos: SpecialToken | undefined;
  readonly addBos: boolean;
  /** @internal The vocabulary in llama.cpp. */
  readonly native: Pointer;
  readonly #llama: Llama;
  readonly #vocab: Pointer;
  readonly #pieces: (Piece | undefined)[];
  readonly #endsGeneration: Uint8Array;
  readonly #splitsByRegex: boolean;
  #scratch = new Uint8Array(256);

  constructor(llama: Llama, vocab: Pointer, splitsByRegex: boolean) {
    this.#llama = llama;
    this.#vocab = vocab;
    this.native = vocab;
    this.#splitsByRegex = splitsByRegex;
    this.size = llama.vocab_n_tokens(vocab);
    this.#pieces = new Array<Piece | undefined>(this.size);
    this.#endsGeneration = new Uint8Array(this.size);
    for (let id = 0; id < this.size; id++) this.#endsGeneration[id] = llama.vocab_is_eog(vocab, id) ? 1 : 0;
    this.bos = this.#special(llama.vocab_bos(vocab));
    this.eos = this.#special(llama.vocab_eos(vocab));
    this.addBos = llama.vocab_get_add_bos(vocab);
  }

  /** Whether the token ends generation (EOS, end of turn and the like). */
  endsGeneration(id: number): boolean {
    return this.#endsGeneration[id] === 1;
  }

  /** What a token adds to the text; nothing for control tokens. */
  piece(id: number): Piece {
    return (this.#pieces[id] ??= readPiece(this.#pieceBytes(id, false)));
  }

  /** A token's spelling, control tokens included. Bytes that are no text of their own become U+FFFD. */
  tokenText(id: number): string {
    this.checkTokens("tokenText", [id]);
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.#pieceBytes(id, true));
  }

  /** Bits of `llama_token_attr`. */
  attributes(id: number): number {
    return this.#llama.sampling.tokenAttributes(this.#vocab, id);
  }

  /** The bytes of a token's spelling, control tokens included. */
  spelling(id: number): Uint8Array {
    return this.#pieceBytes(id, true);
  }

  /** Throws DecoderError `bad-input` for a token id outside the vocabulary. */
  checkTokens(caller: string, tokens: ArrayLike<number>): void {
    for (let i = 0; i < tokens.length; i++) {
      const id = tokens[i];
      if (id === undefined || !(id >= 0 && id < this.size) || !Number.isInteger(id)) {
        throw new DecoderError("bad-input", `${caller}: expected token ids from 0 to ${this.size - 1}, got ${id} at index ${i}`);
      }
    }
  }

  /** `int32[T]`; see Decoder.tokenize. */
  tokenize(text: string, { specials = false, addBos = false }: { readonly specials?: boolean; readonly addBos?: boolean } = {}): Int32Array {
    if (typeof text !== "string") throw new DecoderError("bad-input", `tokenize: expected a string, got ${typeof text}`);
    const parts: Int32Array[] = [];
    if (addBos) {
      if (this.bos === undefined) throw new DecoderError("bad-option", "tokenize: addBos: this model has no token for the beginning of a text");
      parts.push(Int32Array.of(this.bos.id));
    }
    // Only byte-pair tokenizers split by regular expressions, and only they tokenize a piece without a space put in front.
    const pieces = this.#splitsByRegex ? cutLongRuns(text) : [text];
    for (const piece of pieces) if (piece !== "") parts.push(this.#tokenizePiece(piece, specials));
    const all = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  /** See Decoder.detokenize. */
  detokenize(tokens: Int32Array, { specials = false }: { readonly specials?: boolean } = {}): string {
    this.checkTokens("detokenize", tokens);
    if (tokens.length === 0) return "";
    const ids = Int32Array.from(tokens);
    let bytes = new Uint8Array(new ArrayBuffer(tokens.length * 16 + 64));
    let count = this.#llama.detokenize(this.#vocab, ids, ids.length, bytes, bytes.length, false, specials);
    if (count < 0) {
      bytes = new Uint8Array(new ArrayBuffer(-count));
      count = this.#llama.detokenize(this.#vocab, ids, ids.length, bytes, bytes.length, false, specials);
    }
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(0, Math.max(0, count)));
  }

  #tokenizePiece(text: string, specials: boolean): Int32Array {
    const bytes = new TextEncoder().encode(text);
    if (bytes.length > 0x3fffffff) throw new DecoderError("bad-input", `tokenize: expected at most 1 GiB of text, got ${bytes.length} bytes`);
    // A token is rarely less than a byte, but a tokenizer may put a space in front: two more than the bytes nearly always suffice.
    let tokens = new Int32Array(new ArrayBuffer((bytes.length + 2) * 4));
    let count = this.#llama.tokenize(this.#vocab, bytes, bytes.length, tokens, tokens.length, false, specials);
    if (count < 0 && count !== -0x80000000) {
      tokens = new Int32Array(new ArrayBuffer(-count * 4));
      count = this.#llama.tokenize(this.#vocab, bytes, bytes.length, tokens, tokens.length, false, specials);
    }
    if (count < 0) throw new DecoderError("bad-input", `tokenize: llama.cpp cannot tokenize this text of ${bytes.length} bytes`);
    // Some tokenizers write -1 for what they have no token for.
    if (tokens.subarray(0, count).some((id) => id < 0)) throw new DecoderError("bad-input", "tokenize: this model has no token for a part of the text");
    return tokens.subarray(0, count);
  }

  #pieceBytes(id: number, special: boolean): Uint8Array {
    let length = this.#llama.token_to_piece(this.#vocab, id, this.#scratch, this.#scratch.length, 0, special);
    if (length < 0) {
      this.#scratch = new Uint8Array(-length);
      length = this.#llama.token_to_piece(this.#vocab, id, this.#scratch, this.#scratch.length, 0, special);
    }
    return this.#scratch.slice(0, Math.max(0, length));
  }

  #special(id: number): SpecialToken | undefined {
    return id < 0 || id >= this.size ? undefined : { id, text: new TextDecoder().decode(this.#pieceBytes(id, true)) };
  }
}

const strictUtf8 = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

function readPiece(bytes: Uint8Array): Piece {
  try {
    return { bytes, text: strictUtf8.decode(bytes) };
  } catch {
    return { bytes, text: undefined };
  }
}
