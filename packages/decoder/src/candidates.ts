import { tokenDataArray, tokenDataBytes } from "./abi/llama-v0.4.0-sampling.js";
import { addressOf } from "./native-bindings.js";

/** A `llama_token_data_array` over all tokens of a vocabulary, for samplers that are applied one by one. */
export class Candidates {
  /** The struct, as samplers take it. */
  readonly native: Uint8Array;
  readonly #capacity: number;
  readonly #header: DataView;
  readonly #ids: Int32Array;
  readonly #floats: Float32Array;
  readonly #address: bigint;

  constructor(capacity: number) {
    this.#capacity = capacity;
    // Explicit ArrayBuffers: V8 keeps small typed arrays inside its heap, where they move.
    const data = new ArrayBuffer(capacity * tokenDataBytes);
    this.#ids = new Int32Array(data);
    this.#floats = new Float32Array(data);
    this.#address = addressOf(this.#ids);
    const header = new ArrayBuffer(tokenDataArray.bytes);
    this.native = new Uint8Array(header);
    this.#header = new DataView(header);
  }

  /** All tokens with their logits, `float32[V]`, and those of `banned` without a chance. */
  fill(logits: Float32Array, banned: Iterable<number>): void {
    for (let id = 0, at = 0; id < this.#capacity; id++, at += 3) {
      this.#ids[at] = id;
      this.#floats[at + 1] = logits[id] ?? Number.NEGATIVE_INFINITY;
      this.#floats[at + 2] = 0;
    }
    for (const id of banned) this.#floats[id * 3 + 1] = Number.NEGATIVE_INFINITY;
    this.#describe(this.#capacity);
  }

  /** A single token. */
  only(id: number): void {
    this.#ids[0] = id;
    this.#floats[1] = 1;
    this.#floats[2] = 0;
    this.#describe(1);
  }

  /** The logit at an index; a token's id is its index while no sampler has sorted. */
  logit(index: number): number {
    return this.#floats[index * 3 + 1] ?? Number.NEGATIVE_INFINITY;
  }

  /** The token that a sampler selected; -1 when none did. */
  get selected(): number {
    const index = Number(this.#header.getBigInt64(tokenDataArray.selected, true));
    // A sampler may have moved the start of the data.
    const moved = Number(this.#header.getBigUint64(tokenDataArray.data, true) - this.#address) / 4;
    return index < 0 ? -1 : (this.#ids[moved + index * 3] ?? -1);
  }

  #describe(size: number): void {
    this.#header.setBigUint64(tokenDataArray.data, this.#address, true);
    this.#header.setBigUint64(tokenDataArray.size, BigInt(size), true);
    this.#header.setBigInt64(tokenDataArray.selected, -1n, true);
    this.#header.setUint8(tokenDataArray.sorted, 0);
  }
}
