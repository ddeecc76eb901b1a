import type { Batch } from "./batch.js";
import type { DecodeContext } from "./decode-context.js";
import { FairMutex } from "./fair-mutex.js";
import type { NativeBatch } from "./native-bindings.js";
import { PrefixReuse } from "./prefix-reuse.js";
import { PromptCursor, type Chunk } from "./prompt-cursor.js";
import type { Prompt } from "./segments.js";
import type { Slot, Slots } from "./slots.js";

/**
 * Below this a decode runs on the main thread, which then is away no longer than for a frame of animation. The way to a
 * worker and back takes 20 microseconds on an idle machine, but a tenth of a 4 ms decode was lost to it on a busy one.
 */
const shortDecodeMs = 8;

/**
 * Decoding on the main thread lets the event loop turn this often, so that a timer's abort takes effect.
 * A turn after each token of a small model, 0.15 ms, would cost 1 to 3 percent of its speed.
 */
const turnEveryMs = 2;

/** A prompt to bring into a slot's cache, and tokens to decode after it, as long as `next` gives one. */
export interface Work {
  readonly slot: Slot;
  readonly prompt: Prompt;
  /** Whether the prompt's beginning may be copied from another slot's cache. */
  readonly borrows: boolean;
  /** True once somebody wants it to end; asked before every batch. What it throws ends the work. */
  readonly stopped: () => boolean;
  /** Told once, before anything is decoded: how many rows the cache had already. */
  readonly begun: (reused: number) => void;
  /** After the prompt, and after each token: the row of the last decode that has its logits. Returns the token to decode next. */
  readonly next: (row: number) => number | undefined;
}

interface Job extends Work {
  readonly resolve: (outcome: "done" | "stopped") => void;
  readonly reject: (error: unknown) => void;
  cursor: PromptCursor | undefined;
  /** To be decoded next, once the prompt is. */
  token: number | undefined;
}

/**
 * The only place that runs decodes on a context. In each round every conversation that is speaking decodes one token, all
 * in one batch, and one batch's worth of prompts goes with them where both are tokens, or after them where it is a
 * picture's rows. So nobody waits for longer than a batch, whatever the others bring. Prompts take turns batch by batch.
 *
 * A short decode runs on the main thread; longer ones run on a worker thread, and so does everything while somebody
 * listens to the log (see NativeLog).
 */
export class Scheduler {
  /** Held during each round; whoever else uses the context takes it between two. */
  readonly lock: FairMutex = new FairMutex();
  readonly context: DecodeContext;
  readonly #batch: Batch;
  readonly #reuse: PrefixReuse;
  readonly #jobs = new Set<Job>();
  /** Smoothed time of decoding one token each of so many sequences; absent until measured. */
  readonly #stepMs: (number | undefined)[] = [];
  #running = false;
  #onMainThread = false;

  constructor(context: DecodeContext, batch: Batch, slots: Slots, model: { readonly cuttable: boolean; readonly sharedCells: boolean }) {
    this.context = context;
    this.#batch = batch;
    this.#reuse = new PrefixReuse(context, slots, model);
  }

  /**
   * Does the work, among that of others. Resolves when `next` gave no token, or it was stopped.
   * @throws DecoderError `decode-failed`, and what `stopped` or `next` threw; the slot's contents then are what the cache holds
   */
  run(work: Work): Promise<"done" | "stopped"> {
    return new Promise((resolve, reject) => {
      this.#jobs.add({ ...work, resolve, reject, cursor: undefined, token: undefined });
      if (!this.#running) {
        this.#running = true;
        void this.#rounds();
      }
    });
  }

  /** Runs something that needs the context for itself. */
  async alone<T>(action: () => Promise<T>): Promise<T> {
    await this.lock.acquire();
    try {
      return await action();
    } finally {
      this.lock.release();
    }
  }

  async #rounds(): Promise<void> {
    // Callers go on before the first decode.
    await turnEventLoop();
    let turnedAt = performance.now();
    while (this.#jobs.size > 0) {
      if (!this.lock.tryAcquire()) await this.lock.acquire();
      this.#onMainThread = false;
      try {
        const round = this.#round();
        if (round !== undefined) await round;
      } finally {
        this.lock.release();
      }
      // The reader gets its turn after every token, timers and sockets after every two milliseconds.
      if (this.#onMainThread && performance.now() - turnedAt < turnEveryMs) {
        await undefined;
      } else {
        await turnEventLoop();
        turnedAt = performance.now();
      }
    }
    this.#running = false;
  }

  /** One token of everybody who speaks, and a batch of prompts. Without a promise where all was done at once. */
  #round(): Promise<void> | undefined {
    const speaking: Job[] = [];
    const reading: Job[] = [];
    for (const job of this.#jobs) {
      if (this.#ends(job)) continue;
      if (job.token !== undefined) speaking.push(job);
      else if (job.cursor !== undefined || this.#begin(job)) reading.push(job);
    }
    if (reading.length === 0) return speaking.length === 0 ? undefined : this.#speak(speaking);
    return this.#speakAndRead(speaking, reading);
  }

  #speak(speaking: Job[]): Promise<void> | undefined {
    const batch = this.#tokensOf(speaking);
    const start = performance.now();
    const estimate = this.#stepMs[speaking.length];
    const finish = (): void => {
      this.#spoken(speaking);
      this.#measured(speaking.length, performance.now() - start);
    };
    if (estimate !== undefined && estimate < shortDecodeMs && this.context.mayBlockMainThread) {
      this.#onMainThread = true;
      try {
        this.context.decodeOnMainThread(batch);
      } catch (error) {
        this.#failed(speaking, error);
        return undefined;
      }
      finish();
      return undefined;
    }
    return this.context.decodeOnWorker(batch).then(finish, (error: unknown) => this.#failed(speaking, error));
  }

  async #speakAndRead(speaking: Job[], reading: readonly Job[]): Promise<void> {
    const first = reading[0] as Job;
    if ((first.cursor as PromptCursor).kind === "embeddings") {
      if (speaking.length > 0) await this.#speak(speaking);
      this.#requeue(first);
      await this.#readEmbeddings(first);
      return;
    }
    const batch = this.#tokensOf(speaking);
    const chunks: { job: Job; chunk: Extract<Chunk, { type: "tokens" }>; row: number }[] = [];
    for (const job of reading) {
      const room = this.#batch.capacity - this.#batch.rows;
      if (room <= 0) break;
      const cursor = job.cursor as PromptCursor;
      if (cursor.kind !== "tokens") continue;
      this.#requeue(job);
      const chunk = cursor.chunk(room) as Extract<Chunk, { type: "tokens" }>;
      chunks.push({ job, chunk, row: this.#batch.addTokens(chunk.tokens, chunk.position, job.slot.index, chunk.last) });
    }
    try {
      await this.context.decodeOnWorker(batch);
    } catch (error) {
      this.#failed([...speaking, ...chunks.map(({ job }) => job)], error);
      return;
    }
    this.#spoken(speaking);
    for (const { job, chunk, row } of chunks) this.#read(job, chunk, row);
  }

  async #readEmbeddings(job: Job): Promise<void> {
    const chunk = (job.cursor as PromptCursor).chunk(this.#batch.capacity) as Extract<Chunk, { type: "embeddings" }>;
    const batch = this.#batch.embeddings(chunk.run, chunk.from, chunk.rows, chunk.position, job.slot.index, chunk.last);
    try {
      await (chunk.run.attention === "non-causal" ? this.context.decodeNonCausal(batch) : this.context.decodeOnWorker(batch));
    } catch (error) {
      this.#failed([job], error);
      return;
    }
    this.#read(job, chunk, chunk.rows - 1);
  }

  #tokensOf(speaking: Job[]): NativeBatch {
    this.#batch.clear();
    // Where sequences have cells of their own, llama.cpp computes neighbours together, in the order of their numbers.
    speaking.sort((a, b) => a.slot.index - b.slot.index);
    for (const { token, slot } of speaking) this.#batch.addToken(token as number, slot.contents.position, slot.index);
    return this.#batch.tokens;
  }

  /** Rows 0 and up of the last decode are these jobs' tokens. */
  #spoken(speaking: readonly Job[]): void {
    for (const [row, job] of speaking.entries()) {
      job.slot.contents.addToken(job.token as number);
      this.#continue(job, row);
    }
  }

  #read(job: Job, chunk: Chunk, row: number): void {
    (job.cursor as PromptCursor).advance(chunk);
    if (chunk.last) this.#continue(job, row);
  }

  #continue(job: Job, row: number): void {
    try {
      job.token = job.next(row);
    } catch (error) {
      this.#end(job);
      job.reject(error);
      return;
    }
    if (job.token !== undefined) return;
    this.#end(job);
    job.resolve("done");
  }

  /** Whether somebody stopped the job: it is gone then. */
  #ends(job: Job): boolean {
    try {
      if (!job.stopped()) return false;
      this.#end(job);
      job.resolve("stopped");
    } catch (error) {
      this.#end(job);
      job.reject(error);
    }
    return true;
  }

  #begin(job: Job): boolean {
    try {
      job.begun(this.#reuse.prepare(job.slot, job.prompt, job.borrows));
      job.cursor = new PromptCursor(job.prompt, job.slot.contents);
      return true;
    } catch (error) {
      this.#end(job);
      job.reject(error);
      return false;
    }
  }

  #end(job: Job): void {
    this.#jobs.delete(job);
    // Rows of a picture that the cache holds in part are of no use to anybody.
    if (job.cursor?.insideEmbeddings === true) this.#reuse.cut(job.slot, job.slot.contents.length);
  }

  /** What a failed decode left in the cache is unknown. */
  #failed(jobs: readonly Job[], error: unknown): void {
    for (const job of jobs) {
      this.#jobs.delete(job);
      this.#reuse.forget(job.slot);
      job.reject(error);
    }
  }

  /** Who is served goes to the end of the line. */
  #requeue(job: Job): void {
    this.#jobs.delete(job);
    this.#jobs.add(job);
  }

  #measured(sequences: number, milliseconds: number): void {
    const before = this.#stepMs[sequences];
    // A busy machine interrupts a decode now and then: one outlier must not move the estimate far.
    this.#stepMs[sequences] = before === undefined ? milliseconds : before + 0.1 * (Math.min(milliseconds, 2 * before) - before);
  }
}

function turnEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
