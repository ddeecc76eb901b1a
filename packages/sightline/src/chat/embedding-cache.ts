/** The most recently used values, up to a number of bytes. */
export class EmbeddingCache {
  readonly #limitBytes: number;
  readonly #entries = new Map<string, Float32Array>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get(key: string): Float32Array | undefined {
    const value = this.#entries.get(key);
    if (value) {
      // A Map keeps the order of insertion; the last is the most recent.
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  set(key: string, value: Float32Array): void {
    if (value.byteLength > this.#limitBytes) return;
    this.#bytes += value.byteLength - (this.#entries.get(key)?.byteLength ?? 0);
    this.#entries.delete(key);
    this.#entries.set(key, value);
    for (const [oldest, { byteLength }] of this.#entries) {
      if (this.#bytes <= this.#limitBytes) break;
      this.#entries.delete(oldest);
      this.#bytes -= byteLength;
    }
  }
}
