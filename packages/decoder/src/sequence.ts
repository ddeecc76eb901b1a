import { DecoderError } from "./decoder-error.js";
import type { GenerateOptions, Generation } from "./generation.js";
import type { Segment } from "./segments.js";
import type { Slot } from "./slots.js";
import { readPrompt, startGeneration, type GenerationHost } from "./start-generation.js";

/**
 * A slot of the KV cache that one caller keeps. It remembers what it holds: a prompt that begins like the one before is
 * decoded only from the first difference on.
 */
export class Sequence implements Disposable {
  readonly #host: GenerationHost;
  readonly #slot: Slot;
  readonly #release: () => void;
  #running: Promise<unknown> | undefined;
  #disposed = false;

  /**
   * @internal Sequences come from Decoder.createSequence.
   * @param release called once, when the sequence is disposed and idle: its slot may be given to another
   */
  constructor(host: GenerationHost, slot: Slot, release: (sequence: Sequence) => void) {
    this.#host = host;
    this.#slot = slot;
    this.#release = () => release(this);
  }

  /**
   * Continues a prompt. Starts at once; one generation at a time.
   * @throws DecoderError `bad-input` or `bad-option` for what llama.cpp could not take, `context-full` when the prompt is
   *   longer than the context, `busy`, `disposed`
   */
  generate(segments: readonly Segment[], options: GenerateOptions = {}): Generation {
    this.#checkFree("generate");
    const check = (): void => this.#checkAlive("generate");
    const stream = startGeneration(this.#host, { take: () => this.#slot, giveBack: () => undefined, borrows: false, check }, segments, options);
    this.#occupy(stream.result);
    return stream;
  }

  /**
   * `float32[V]`: the logits of the token after a prompt. The prompt stays in the cache, as after `generate`.
   * @throws DecoderError as `generate` does, as a rejection
   */
  async logits(segments: readonly Segment[]): Promise<Float32Array> {
    this.#checkFree("logits");
    const { scheduler, vocabulary } = this.#host;
    const prompt = readPrompt("logits", this.#host, segments);
    let last: Float32Array | undefined;
    const work = scheduler.run({
      slot: this.#slot,
      prompt,
      borrows: false,
      begun: () => undefined,
      stopped: () => {
        this.#checkAlive("logits");
        return false;
      },
      next: (row) => {
        last = scheduler.context.logits(row, vocabulary.size);
        return undefined;
      },
    });
    this.#occupy(work);
    await work;
    if (last === undefined) throw new DecoderError("decode-failed", "logits: the prompt gave none");
    return last;
  }

  /** Gives the slot back. A generation under way ends after its current token, with a `disposed` error. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#running === undefined) this.#release();
  }

  /** Gives the sequence's place in the cache back; generations of it end. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #checkFree(caller: string): void {
    if (this.#disposed) throw new DecoderError("disposed", `${caller}: this sequence is disposed; create another with decoder.createSequence()`);
    if (this.#running !== undefined) {
      throw new DecoderError("busy", `${caller}: this sequence is still generating; await the result before, or use a second sequence`);
    }
  }

  #checkAlive(caller: string): void {
    if (this.#disposed) throw new DecoderError("disposed", `${caller}: the sequence was disposed meanwhile`);
  }

  #occupy(work: Promise<unknown>): void {
    const ended = (): void => {
      this.#running = undefined;
      if (this.#disposed) this.#release();
    };
    this.#running = work.then(ended, ended);
  }

  /** @internal The slot's number in llama.cpp. */
  get slot(): number {
    return this.#slot.index;
  }

  /** @internal Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#running;
  }
}
