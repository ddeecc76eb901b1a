import { positionsOf, type Prompt, type Run } from "./segments.js";

interface Span {
  /** Its first cell. */
  readonly start: number;
  readonly length: number;
  readonly id: string;
  /** Positions that it takes; fewer than its cells where positions have several axes. */
  readonly positions: number;
}

/** Everything about a cache's contents, as plain values. */
export interface ContentsRecord {
  readonly cells: readonly number[];
  readonly spans: readonly Span[];
}

/** What a sequence's KV cache holds, cell by cell: token ids, and spans of embeddings known by their ids. */
export class CacheContents {
  /** Token id, or -1 inside a span of embeddings. */
  readonly #cells: number[] = [];
  readonly #spans: Span[] = [];
  /** Cells of all spans less the positions that they take. */
  #saved = 0;

  /** Cells in use. */
  get length(): number {
    return this.#cells.length;
  }

  /** The position of the next token. */
  get position(): number {
    return this.#cells.length - this.#saved;
  }

  addToken(token: number): void {
    this.#cells.push(token);
  }

  addTokens(tokens: Int32Array): void {
    for (const token of tokens) this.#cells.push(token);
  }

  /** Adds a whole span; one that was decoded in part only must not be added. */
  addEmbeddings(id: string, length: number, positions: number = length): void {
    this.#spans.push({ start: this.#cells.length, length, id, positions });
    this.#saved += length - positions;
    for (let i = 0; i < length; i++) this.#cells.push(-1);
  }

  /** Forgets everything from cell `length` on, and a span that would be cut as a whole. */
  truncate(length: number): void {
    let keep = Math.min(length, this.#cells.length);
    for (let span = this.#spans.at(-1); span !== undefined && span.start + span.length > keep; span = this.#spans.at(-1)) {
      keep = Math.min(keep, span.start);
      this.#saved -= span.length - span.positions;
      this.#spans.pop();
    }
    this.#cells.length = keep;
  }

  /** Takes on what another cache holds in its first `length` cells, which must not end inside a span. */
  become(other: CacheContents, length: number): void {
    this.truncate(0);
    for (let i = 0; i < length; i++) this.#cells.push(other.#cells[i] as number);
    for (const span of other.#spans) {
      if (span.start + span.length > length) break;
      this.#spans.push(span);
      this.#saved += span.length - span.positions;
    }
  }

  /**
   * How many leading cells of the prompt the cache holds already.
   * Embeddings count as a whole or not at all, and at least one row stays to be decoded: its logits are needed.
   */
  commonPrefix(prompt: Prompt): number {
    let at = 0;
    for (const run of prompt.runs) {
      // The prompt's last row is always decoded anew; if that row is an embedding, so is the whole span.
      const usable = Math.min(run.length, prompt.length - 1 - at);
      if (run.type === "embeddings") {
        if (usable < run.length || !this.#holds(run, at)) return at;
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

  /** For `restore`. */
  record(): ContentsRecord {
    return { cells: [...this.#cells], spans: [...this.#spans] };
  }

  /** Takes on a record's contents. */
  restore({ cells, spans }: ContentsRecord): void {
    this.truncate(0);
    for (const cell of cells) this.#cells.push(cell);
    for (const span of spans) {
      this.#spans.push(span);
      this.#saved += span.length - span.positions;
    }
  }

  #holds(run: Extract<Run, { type: "embeddings" }>, at: number): boolean {
    const span = this.#spans.find(({ start }) => start === at);
    return span !== undefined && span.id === run.id && span.length === run.length && span.positions === positionsOf(run);
  }
}
