import type { CacheContents } from "./cache-contents.js";
import { positionsOf, type EmbeddingRun, type Prompt, type Run } from "./segments.js";

/** Rows of a prompt that are decoded in one batch. */
export type Chunk =
  | { readonly type: "tokens"; readonly tokens: Int32Array; readonly position: number; readonly last: boolean }
  | {
      readonly type: "embeddings";
      readonly run: EmbeddingRun;
      /** The first row of the run in this chunk, and how many there are. */
      readonly from: number;
      readonly rows: number;
      /** Of the run's first row. */
      readonly position: number;
      readonly last: boolean;
    };

/** How far a prompt has been brought into a sequence's cache; writes into `contents` what came to be there. */
export class PromptCursor {
  readonly #prompt: Prompt;
  readonly #contents: CacheContents;
  #run = 0;
  /** Rows of the current run that are decoded. */
  #done = 0;

  /** @param contents holds the prompt's first rows already, and nothing else */
  constructor(prompt: Prompt, contents: CacheContents) {
    this.#prompt = prompt;
    this.#contents = contents;
    let skip = contents.length;
    while (skip > 0) {
      const { length } = this.#current;
      this.#done = Math.min(skip, length);
      skip -= this.#done;
      if (this.#done === length) this.#nextRun();
    }
  }

  get atEnd(): boolean {
    return this.#run === this.#prompt.runs.length;
  }

  /** What kind of batch the next rows need. */
  get kind(): "tokens" | "embeddings" {
    return this.#current.type;
  }

  /** Whether the cache holds some rows of an embeddings run, but not all of them. */
  get insideEmbeddings(): boolean {
    return !this.atEnd && this.#done > 0 && this.#current.type === "embeddings";
  }

  /** The next rows, at most `capacity` of them; all of a run that is not causal, which is known to fit a batch. */
  chunk(capacity: number): Chunk {
    const run = this.#current;
    const rows = run.type === "embeddings" && run.attention === "non-causal" ? run.length : Math.min(capacity, run.length - this.#done);
    const last = this.#run === this.#prompt.runs.length - 1 && this.#done + rows === run.length;
    const { position } = this.#contents;
    return run.type === "tokens"
      ? { type: "tokens", tokens: run.tokens.subarray(this.#done, this.#done + rows), position, last }
      : { type: "embeddings", run, from: this.#done, rows, position, last };
  }

  /** The chunk is in the cache. */
  advance(chunk: Chunk): void {
    const run = this.#current;
    this.#done += chunk.type === "tokens" ? chunk.tokens.length : chunk.rows;
    if (chunk.type === "tokens") this.#contents.addTokens(chunk.tokens);
    else if (this.#done === run.length) this.#contents.addEmbeddings(chunk.run.id, run.length, positionsOf(run));
    if (this.#done === run.length) this.#nextRun();
  }

  get #current(): Run {
    return this.#prompt.runs[this.#run] as Run;
  }

  #nextRun(): void {
    this.#run++;
    this.#done = 0;
  }
}
