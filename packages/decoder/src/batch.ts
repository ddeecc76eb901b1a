import { addressOf, type NativeBatch, type Pointer } from "./native-bindings.js";
import type { EmbeddingRun } from "./segments.js";

/** The axes of a position with several: time, row, column and one that images leave at 0. */
const axes = 4;

/**
 * The arrays of a `llama_batch`, allocated once and filled again for every decode. A batch holds token ids, of any number
 * of sequences, or embedding rows of one. It must not be filled again before the decode that reads it has returned.
 */
export class Batch {
  /** Rows that fit. */
  readonly capacity: number;
  readonly #embeddingWidth: number;
  readonly #multiAxisPositions: boolean;
  readonly #tokens: Int32Array;
  readonly #positions: Int32Array;
  readonly #sequences: Int32Array;
  readonly #sequenceAddress: bigint;
  readonly #sequencePointers: BigInt64Array;
  readonly #sequenceCounts: Int32Array;
  readonly #wantsLogits: Int8Array;
  /** The sequence that each row's pointer points to. */
  readonly #pointsTo: Int32Array;
  readonly #tokenBatch: NativeBatch;
  #embeddings: Float32Array | undefined;
  #embeddingBatch: NativeBatch | undefined;

  /** @param embeddingWidth E */
  constructor(capacity: number, sequences: number, embeddingWidth: number, multiAxisPositions: boolean) {
    this.capacity = capacity;
    this.#embeddingWidth = embeddingWidth;
    this.#multiAxisPositions = multiAxisPositions;
    // Explicit ArrayBuffers: V8 keeps small typed arrays inside its heap, where they move.
    this.#tokens = new Int32Array(new ArrayBuffer(capacity * 4));
    this.#positions = new Int32Array(new ArrayBuffer(capacity * 4 * (multiAxisPositions ? axes : 1)));
    this.#sequences = new Int32Array(new ArrayBuffer(sequences * 4));
    for (let i = 0; i < sequences; i++) this.#sequences[i] = i;
    this.#sequenceAddress = addressOf(this.#sequences);
    this.#sequencePointers = new BigInt64Array(new ArrayBuffer(capacity * 8)).fill(this.#sequenceAddress);
    this.#pointsTo = new Int32Array(capacity);
    this.#sequenceCounts = new Int32Array(new ArrayBuffer(capacity * 4)).fill(1);
    this.#wantsLogits = new Int8Array(new ArrayBuffer(capacity));
    this.#tokenBatch = this.#describe(addressOf(this.#tokens), null);
  }

  /** Rows of tokens so far. */
  get rows(): number {
    return this.#tokenBatch.n_tokens;
  }

  /** Begins a batch of tokens. */
  clear(): void {
    this.#tokenBatch.n_tokens = 0;
  }

  /** Adds one token whose logits are wanted: what every generated token is. Returns its row. */
  addToken(token: number, position: number, sequence: number): number {
    const row = this.#tokenBatch.n_tokens++;
    this.#tokens[row] = token;
    this.#place(row, position, sequence, 1);
    return row;
  }

  /** Adds tokens of a prompt, `int32[T]`, that fit. Returns the row of the last. */
  addTokens(tokens: Int32Array, position: number, sequence: number, lastWantsLogits: boolean): number {
    const from = this.#tokenBatch.n_tokens;
    this.#tokens.set(tokens, from);
    for (let i = 0; i < tokens.length; i++) this.#place(from + i, position + i, sequence, 0);
    const last = from + tokens.length - 1;
    this.#wantsLogits[last] = lastWantsLogits ? 1 : 0;
    this.#tokenBatch.n_tokens = last + 1;
    return last;
  }

  /** The tokens that were added. */
  get tokens(): NativeBatch {
    return this.#tokenBatch;
  }

  /**
   * Rows of an embeddings run, copied.
   * @param position of the run's first row
   */
  embeddings(run: EmbeddingRun, from: number, rows: number, position: number, sequence: number, lastWantsLogits: boolean): NativeBatch {
    if (this.#embeddings === undefined || this.#embeddingBatch === undefined) {
      this.#embeddings = new Float32Array(new ArrayBuffer(this.capacity * this.#embeddingWidth * 4));
      this.#embeddingBatch = this.#describe(null, addressOf(this.#embeddings));
    }
    const width = this.#embeddingWidth;
    this.#embeddings.set(run.embeddings.subarray(from * width, (from + rows) * width));
    for (let i = 0; i < rows; i++) this.#place(i, run.grid ? position : position + from + i, sequence, 0);
    if (this.#multiAxisPositions) this.#placeOnAxes(run, from, rows, position);
    this.#wantsLogits[rows - 1] = lastWantsLogits ? 1 : 0;
    this.#embeddingBatch.n_tokens = rows;
    return this.#embeddingBatch;
  }

  #place(row: number, position: number, sequence: number, wantsLogits: number): void {
    this.#positions[row] = position;
    this.#wantsLogits[row] = wantsLogits;
    if (this.#pointsTo[row] === sequence) return;
    this.#pointsTo[row] = sequence;
    this.#sequencePointers[row] = this.#sequenceAddress + BigInt(sequence * 4);
  }

  /** Plane after plane: time, row, column, and zeros (llama.cpp, mtmd's `set_position_mrope_2d`). */
  #placeOnAxes({ grid }: EmbeddingRun, from: number, rows: number, position: number): void {
    for (let i = 0; i < rows; i++) {
      const at = from + i;
      this.#positions[rows + i] = grid ? position + Math.floor(at / grid.columns) : position + at;
      this.#positions[2 * rows + i] = grid ? position + (at % grid.columns) : position + at;
      this.#positions[3 * rows + i] = 0;
    }
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
