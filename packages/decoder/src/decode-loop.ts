import type { Batch } from "./batch.js";
import type { CacheContents } from "./cache-contents.js";
import { DecoderError } from "./decoder-error.js";
import { FairMutex } from "./fair-mutex.js";
import { readFloat, readFloats, type Llama, type NativeBatch, type Pointer } from "./native-bindings.js";
import type { NativeLog } from "./native-log.js";
import type { SamplerChain } from "./samplers.js";
import type { Prompt } from "./segments.js";
import { callOnWorker } from "./worker-call.js";

/**
 * Below this a decode runs on the main thread, which then is away no longer than for a frame of animation. The way to a
 * worker and back takes 20 microseconds on an idle machine, but a tenth of a 4 ms decode was lost to it on a busy one.
 */
const shortDecodeMs = 8;

/** What a loop works on. */
export interface LoopParts {
  readonly llama: Llama;
  readonly context: Pointer;
  readonly memory: Pointer;
  readonly batch: Batch;
  readonly log: NativeLog;
  readonly onGpu: boolean;
}

/** A sequence as the loop sees it. */
export interface Lane {
  /** llama.cpp's number for the sequence. */
  readonly slot: number;
  /** Kept equal to what the KV cache holds. */
  readonly contents: CacheContents;
}

/**
 * The only place that runs decodes on a context. One at a time: logits belong to the context's last decode, so sampling
 * happens before the next one starts. Sequences take turns token by token, in the order of asking.
 *
 * A decode of a small model takes a fraction of a millisecond and runs on the main thread; longer ones run on a worker
 * thread, and so does everything while somebody listens to the log (see NativeLog).
 */
export class DecodeLoop {
  readonly lock: FairMutex = new FairMutex();
  readonly #llama: Llama;
  readonly #context: Pointer;
  readonly #memory: Pointer;
  readonly #batch: Batch;
  readonly #log: NativeLog;
  readonly #onGpu: boolean;
  /** Smoothed time of decoding one token; pessimistic until measured. */
  #stepMs = Number.POSITIVE_INFINITY;

  constructor(parts: LoopParts) {
    this.#llama = parts.llama;
    this.#context = parts.context;
    this.#memory = parts.memory;
    this.#batch = parts.batch;
    this.#log = parts.log;
    this.#onGpu = parts.onGpu;
  }

  /** Whether the next token would be decoded on the main thread. */
  get stepsOnMainThread(): boolean {
    return this.#stepMs < shortDecodeMs && this.#log.mayBlockMainThread();
  }

  /**
   * Brings a prompt into the cache, reusing the prefix that is there, in batches of at most the batch's capacity.
   * @param stopped asked before each batch; true ends the prefill
   * @param atEnd runs after the last batch, while its logits are the context's
   * @returns positions reused, and what `atEnd` returned; that is absent when stopped
   * @throws DecoderError `decode-failed`; the cache then holds what `lane.contents` says
   */
  async prefill<T>(lane: Lane, prompt: Prompt, stopped: () => boolean, atEnd: () => T): Promise<{ readonly reused: number; readonly last?: T }> {
    await this.lock.acquire();
    let reused: number;
    try {
      reused = this.#trim(lane, lane.contents.commonPrefix(prompt));
    } finally {
      this.lock.release();
    }
    let skip = reused;
    let position = reused;
    for (const [index, run] of prompt.runs.entries()) {
      const lastRun = index === prompt.runs.length - 1;
      if (skip >= run.length) {
        skip -= run.length;
        continue;
      }
      for (let from = skip; from < run.length; from += this.#batch.capacity) {
        const to = Math.min(run.length, from + this.#batch.capacity);
        const wantsLogits = lastRun && to === run.length;
        await this.lock.acquire();
        try {
          if (stopped()) return { reused };
          const batch =
            run.type === "tokens"
              ? this.#batch.fillTokens(run.tokens.subarray(from, to), position, lane.slot, wantsLogits)
              : this.#batch.fillEmbeddings(embeddingRows(run, from, to), position, lane.slot, wantsLogits);
          await this.#decodeOnWorker(batch, position, to - from);
          position += to - from;
          if (run.type === "tokens") lane.contents.addTokens(run.tokens.subarray(from, to));
          else if (to === run.length) lane.contents.addEmbeddings(run.id, run.length);
          if (wantsLogits) return { reused, last: atEnd() };
        } finally {
          this.lock.release();
        }
      }
      skip = 0;
    }
    return { reused };
  }

  /** Decodes one token and samples the next, without leaving the main thread. Undefined when another sequence has the turn. */
  stepOnMainThread(lane: Lane, token: number, sampler: SamplerChain): number | undefined {
    if (!this.lock.tryAcquire()) return undefined;
    try {
      const start = performance.now();
      const position = lane.contents.length;
      this.#check(this.#llama.decode(this.#context, this.#batch.fillToken(token, position, lane.slot)), position, 1);
      lane.contents.addToken(token);
      const next = this.sample(sampler);
      this.#measured(performance.now() - start);
      return next;
    } finally {
      this.lock.release();
    }
  }

  /** Decodes one token and samples the next, when it is this sequence's turn. */
  async step(lane: Lane, token: number, sampler: SamplerChain): Promise<number> {
    await this.lock.acquire();
    try {
      const start = performance.now();
      const position = lane.contents.length;
      await this.#decodeOnWorker(this.#batch.fillToken(token, position, lane.slot), position, 1);
      lane.contents.addToken(token);
      const next = this.sample(sampler);
      this.#measured(performance.now() - start);
      return next;
    } finally {
      this.lock.release();
    }
  }

  /** Chooses the token after the last decode. Only inside `atEnd`: another sequence's decode replaces the logits. */
  sample(sampler: SamplerChain): number {
    if (!sampler.onlyCompares) return sampler.sample(this.#context, this.#lastLogits());
    const token = sampler.sample(this.#context);
    // Where nothing is greater than anything, the first token is chosen: only then it is worth a look.
    if (token === 0) this.#lastLogits();
    return token;
  }

  /** `float32[V]` after the last decode, copied. Only inside `atEnd`. */
  logits(vocabularySize: number): Float32Array {
    return readFloats(this.#lastLogits(), vocabularySize);
  }

  #measured(milliseconds: number): void {
    // A busy machine interrupts a decode now and then: one outlier must not move the estimate far.
    if (Number.isFinite(this.#stepMs)) this.#stepMs += 0.1 * (Math.min(milliseconds, 2 * this.#stepMs) - this.#stepMs);
    else this.#stepMs = milliseconds;
  }

  /** Cuts the cache after `length` positions. Returns how many remain: none where the model's memory cannot be cut. */
  #trim(lane: Lane, length: number): number {
    lane.contents.truncate(length);
    if (length > 0 && this.#llama.memory_seq_rm(this.#memory, lane.slot, length, -1)) return length;
    this.#llama.memory_seq_rm(this.#memory, lane.slot, -1, -1);
    lane.contents.truncate(0);
    return 0;
  }

  async #decodeOnWorker(batch: NativeBatch, position: number, rows: number): Promise<void> {
    this.#check(await callOnWorker(this.#llama.decode, this.#context, batch), position, rows);
    // A GPU has only queued the decode by now; waiting for it is also a worker's job.
    if (this.#onGpu) await callOnWorker(this.#llama.synchronize, this.#context);
  }

  #check(status: number, position: number, rows: number): void {
    if (status === 0) return;
    const reason =
      status === 1
        ? "no room in the KV cache"
        : ({ 2: "aborted", [-1]: "invalid batch", [-2]: "out of memory or no compute graph", [-3]: "the computation failed" }[status] ?? "unknown status");
    throw new DecoderError("decode-failed", `generate: llama_decode of ${rows} rows at position ${position} returned ${status}: ${reason}`);
  }

  /** The address of `float32[V]`, the logits of the last row decoded. */
  #lastLogits(): Pointer {
    const logits = this.#llama.get_logits_ith(this.#context, -1);
    // One NaN in the last hidden state makes every logit NaN, and llama.cpp's samplers sort them, which C++ leaves undefined.
    if (logits === null || Number.isNaN(readFloat(logits))) {
      throw new DecoderError("decode-failed", `generate: the model gave ${logits === null ? "no logits" : "logits that are not numbers"}: are its weights damaged?`);
    }
    return logits;
  }
}

function embeddingRows(run: { readonly embeddings: Float32Array; readonly length: number }, from: number, to: number): Float32Array {
  const width = run.embeddings.length / run.length;
  return run.embeddings.subarray(from * width, to * width);
}
