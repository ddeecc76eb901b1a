import { addressOf, type NativeBatch, type Pointer } from "./native-bindings.js";

/**
 * The arrays of a `llama_batch`, allocated once and filled again for every decode.
 * A batch holds token ids or embedding rows, never both, and all of it belongs to one sequence.
 * It must not be filled again before the decode that reads it has returned.
 */
export class Batch {
  /** Rows that fit. */
  readonly capacity: number;
  readonly #embeddingWidth: number;
  readonly #tokens: Int32Array;
  readonly #positions: Int32Array;
  readonly #sequence: Int32Array;
  readonly #sequencePointers: BigInt64Array;
  readonly #sequenceCounts: Int32Array;
  readonly #wantsLogits: Int8Array;
  readonly #tokenBatch: NativeBatch;
  #embeddings: Float32Array | undefined;
  #embeddingBatch: NativeBatch | undefined;

  /** @param embeddingWidth E */
  constructor(capacity: number, embeddingWidth: number) {
    this.capacity = capacity;
    this.#embeddingWidth = embeddingWidth;
    // Explicit ArrayBuffers: V8 keeps small typed arrays inside its heap, where they move.
    this.#tokens = new Int32Array(new ArrayBuffer(capacity * 4));
    this.#positions = new Int32Array(new ArrayBuffer(capacity * 4));
    this.#sequence = new Int32Array(new ArrayBuffer(4));
    this.#sequencePointers = new BigInt64Array(new ArrayBuffer(capacity * 8)).fill(addressOf(this.#sequence));
    this.#sequenceCounts = new Int32Array(new ArrayBuffer(capacity * 4)).fill(1);
    this.#wantsLogits = new Int8Array(new ArrayBuffer(capacity));
    this.#tokenBatch = this.#describe(addressOf(this.#tokens), null);
  }

  /** One token whose logits are wanted: the batch of every generated token. */
  fillToken(token: number, position: number, sequence: number): NativeBatch {
    this.#tokens[0] = token;
    this.#positions[0] = position;
    this.#sequence[0] = sequence;
    this.#wantsLogits[0] = 1;
    this.#tokenBatch.n_tokens = 1;
    return this.#tokenBatch;
  }

  /** @param tokens `int32[T]`, 1 <= T <= capacity */
  fillTokens(tokens: Int32Array, position: number, sequence: number, lastWantsLogits: boolean): NativeBatch {
    this.#tokens.set(tokens);
    return this.#place(this.#tokenBatch, tokens.length, position, sequence, lastWantsLogits);
  }

  /** @param embeddings `float32[N, E]`, 1 <= N <= capacity; copied */
  fillEmbeddings(embeddings: Float32Array, position: number, sequence: number, lastWantsLogits: boolean): NativeBatch {
    if (this.#embeddings === undefined || this.#embeddingBatch === undefined) {
      this.#embeddings = new Float32Array(new ArrayBuffer(this.capacity * this.#embeddingWidth * 4));
      this.#embeddingBatch = this.#describe(null, addressOf(this.#embeddings));
    }
    this.#embeddings.set(embeddings);
    return this.#place(this.#embeddingBatch, embeddings.length / this.#embeddingWidth, position, sequence, lastWantsLogits);
  }

  #place(batch: NativeBatch, rows: number, position: number, sequence: number, lastWantsLogits: boolean): NativeBatch {
    for (let i = 0; i < rows; i++) this.#positions[i] = position + i;
    this.#sequence[0] = sequence;
    this.#wantsLogits.fill(0, 0, rows);
    this.#wantsLogits[rows - 1] = lastWantsLogits ? 1 : 0;
    batch.n_tokens = rows;
    return batch;
  }

  #describe(token: Pointer | null, embd: Pointer | null): NativeBatch {
    return {
      n_tokens: 0,
      token,
      embd,
      pos: addressOf(this.#positions),
      n_seq_id: addressOf(this.#sequenceCounts),
      seq_id: addressOf(this.#sequencePointers),
      logits: addressOf(this.#wantsLogits),
    };
  }
}
