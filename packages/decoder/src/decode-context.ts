import { DecoderError } from "./decoder-error.js";
import { readFloat, readFloats, type Llama, type NativeBatch, type Pointer } from "./native-bindings.js";
import type { NativeLog } from "./native-log.js";
import type { SamplerChain } from "./samplers.js";
import { callOnWorker } from "./worker-call.js";

/** What a context is made of. */
export interface ContextParts {
  readonly llama: Llama;
  readonly context: Pointer;
  readonly memory: Pointer;
  readonly log: NativeLog;
  readonly onGpu: boolean;
}

/**
 * A llama.cpp context: decodes batches, gives their logits, and cuts and copies what its cache holds. One thing at a time:
 * who uses it holds the scheduler's lock.
 */
export class DecodeContext {
  readonly #llama: Llama;
  readonly #context: Pointer;
  readonly #memory: Pointer;
  readonly #log: NativeLog;
  readonly #onGpu: boolean;

  constructor({ llama, context, memory, log, onGpu }: ContextParts) {
    this.#llama = llama;
    this.#context = context;
    this.#memory = memory;
    this.#log = log;
    this.#onGpu = onGpu;
  }

  /** Whether a short decode may run on the main thread: not while somebody listens to the log (see NativeLog). */
  get mayBlockMainThread(): boolean {
    return this.#log.mayBlockMainThread();
  }

  /** Throws DecoderError `decode-failed`. */
  decodeOnMainThread(batch: NativeBatch): void {
    checkStatus(this.#llama.decode(this.#context, batch), batch.n_tokens);
  }

  /** Rejects with DecoderError `decode-failed`. */
  async decodeOnWorker(batch: NativeBatch): Promise<void> {
    checkStatus(await callOnWorker(this.#llama.decode, this.#context, batch), batch.n_tokens);
    // A GPU has only queued the decode by now; waiting for it is also a worker's job.
    if (this.#onGpu) await callOnWorker(this.#llama.synchronize, this.#context);
  }

  /** Decodes a batch whose rows all look at each other. */
  async decodeNonCausal(batch: NativeBatch): Promise<void> {
    this.#llama.memory.setCausal(this.#context, false);
    try {
      await this.decodeOnWorker(batch);
    } finally {
      this.#llama.memory.setCausal(this.#context, true);
    }
  }

  /** Chooses the token after a row of the last decode. Throws DecoderError `decode-failed` for logits that are no numbers. */
  sample(sampler: SamplerChain, row: number): number {
    if (!sampler.onlyCompares) return sampler.sample(this.#context, row, this.#logitsAt(row));
    const token = sampler.sample(this.#context, row);
    // Where nothing is greater than anything, the first token is chosen: only then it is worth a look.
    if (token === 0) this.#logitsAt(row);
    return token;
  }

  /** `float32[V]` after a row of the last decode, copied. */
  logits(row: number, vocabularySize: number): Float32Array {
    return readFloats(this.#logitsAt(row), vocabularySize);
  }

  /** Forgets a sequence from `position` on. False, and nothing is forgotten, where the model's memory cannot be cut there. */
  cut(sequence: number, position: number): boolean {
    return this.#llama.memory_seq_rm(this.#memory, sequence, position, -1);
  }

  /** Forgets all of a sequence. */
  clear(sequence: number): void {
    this.#llama.memory_seq_rm(this.#memory, sequence, -1, -1);
  }

  /** Gives the first `positions` of a sequence to another one, which must be empty. All of them where left out. */
  copy(source: number, target: number, positions?: number): void {
    if (positions === undefined) this.#llama.memory.copySequence(this.#memory, source, target, -1, -1);
    else this.#llama.memory.copySequence(this.#memory, source, target, 0, positions);
  }

  /** A sequence's cells with their keys and values, in llama.cpp's own format. */
  async readState(sequence: number): Promise<Uint8Array> {
    const size = Number(this.#llama.memory.stateSize(this.#context, sequence));
    const state = new Uint8Array(new ArrayBuffer(Math.max(1, size)));
    const written = Number(await callOnWorker(this.#llama.memory.readState, this.#context, state, size, sequence));
    if (written === 0 || written > size) throw new DecoderError("decode-failed", `saveCache: llama.cpp gave ${written} bytes of a sequence's state where it announced ${size}`);
    return state.subarray(0, written);
  }

  /** The contrary of `readState`; false where llama.cpp refuses it. */
  async writeState(sequence: number, state: Uint8Array): Promise<boolean> {
    // koffi's worker reads it meanwhile: it must lie in a buffer that V8 does not move.
    const bytes = new Uint8Array(new ArrayBuffer(state.length));
    bytes.set(state);
    return Number(await callOnWorker(this.#llama.memory.writeState, this.#context, bytes, bytes.length, sequence)) > 0;
  }

  /** The address of `float32[V]`. */
  #logitsAt(row: number): Pointer {
    const logits = this.#llama.get_logits_ith(this.#context, row);
    // One NaN in the last hidden state makes every logit NaN, and llama.cpp's samplers sort them, which C++ leaves undefined.
    if (logits === null || Number.isNaN(readFloat(logits))) {
      throw new DecoderError("decode-failed", `generate: the model gave ${logits === null ? "no logits" : "logits that are not numbers"}: are its weights damaged?`);
    }
    return logits;
  }
}

function checkStatus(status: number, rows: number): void {
  if (status === 0) return;
  const reason =
    status === 1
      ? "no room in the KV cache"
      : ({ 2: "aborted", [-1]: "invalid batch", [-2]: "out of memory or no compute graph", [-3]: "the computation failed" }[status] ?? "unknown status");
  throw new DecoderError("decode-failed", `generate: llama_decode of ${rows} rows returned ${status}: ${reason}`);
}
