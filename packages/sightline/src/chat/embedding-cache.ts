/** Rows of pictures by key: the most recently used, up to a number of bytes. */
export class EmbeddingCache {
  readonly #limitBytes: number;
  readonly #entries = new Map<string, readonly Float32Array[]>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get(key: string): readonly Float32Array[] | undefined {
    const value = this.#entries.get(key);
    if (value) {
      // A Map keeps the order of insertion; the last is the most recent.
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  set(key: string, value: readonly Float32Array[]): void {
    const bytes = bytesOf(value);
    if (bytes > this.#limitBytes) return;
    this.#bytes += bytes - bytesOf(this.#entries.get(key) ?? []);
    this.#entries.delete(key);
    this.#entries.set(key, value);
    for (const [oldest, rows] of this.#entries) {
      if (this.#bytes <= this.#limitBytes) break;
      this.#entries.delete(oldest);
      this.#bytes -= bytesOf(rows);
    }
  }
}

function bytesOf(rows: readonly Float32Array[]): number {
  return rows.reduce((sum, { byteLength }) => sum + byteLength, 0);
}
