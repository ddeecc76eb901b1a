import type { Prompt } from "./segments.js";

interface Span {
  readonly start: number;
  readonly length: number;
  readonly id: string;
}

/** What a sequence's KV cache holds, position by position: token ids, and spans of embeddings known by their ids. */
export class CacheContents {
  /** Token id, or -1 inside a span of embeddings. */
  readonly #cells: number[] = [];
  readonly #spans: Span[] = [];

  /** Positions in use. */
  get length(): number {
    return this.#cells.length;
  }

  addToken(token: number): void {
    this.#cells.push(token);
  }

  addTokens(tokens: Int32Array): void {
    for (const token of tokens) this.#cells.push(token);
  }

  /** Adds a whole span; one that was decoded in part only must not be added. */
  addEmbeddings(id: string, length: number): void {
    this.#spans.push({ start: this.#cells.length, length, id });
    for (let i = 0; i < length; i++) this.#cells.push(-1);
  }

  /** Forgets everything from `length` on, and a span that would be cut as a whole. */
  truncate(length: number): void {
    let keep = Math.min(length, this.#cells.length);
    for (let span = this.#spans.at(-1); span !== undefined && span.start + span.length > keep; span = this.#spans.at(-1)) {
      keep = Math.min(keep, span.start);
      this.#spans.pop();
    }
    this.#cells.length = keep;
  }

  /**
   * How many leading positions of the prompt the cache holds already.
   * Embeddings count as a whole or not at all, and at least one position stays to be decoded: its logits are needed.
   */
  commonPrefix(prompt: Prompt): number {
    let at = 0;
    for (const run of prompt.runs) {
      // The prompt's last row is always decoded anew; if that row is an embedding, so is the whole span.
      const usable = Math.min(run.length, prompt.length - 1 - at);
      if (run.type === "embeddings") {
        const span = this.#spans.find(({ start }) => start === at);
        if (usable < run.length || span === undefined || span.id !== run.id || span.length !== run.length) return at;
        at += run.length;
      } else {
        for (let i = 0; i < usable; i++) {
          if (this.#cells[at + i] !== run.tokens[i]) return at + i;
        }
        at += usable;
        if (usable < run.length) return at;
      }
    }
    return at;
  }
}
