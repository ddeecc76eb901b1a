/** The k largest of numbers that come one after the other; the least of them is what a number must exceed to get in. */
export class LargestValues {
  readonly #heap: Int32Array;
  #size = 0;

  constructor(k: number) {
    this.#heap = new Int32Array(k);
  }

  /** The k-th largest so far; undefined while there are fewer. */
  get kth(): number | undefined {
    return this.#size === this.#heap.length ? this.#heap[0] : undefined;
  }

  /** Takes the values whose flag is 1. */
  take(values: Int32Array, flags: Uint8Array): void {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (flags[i] === 0 || (this.#size === this.#heap.length && value <= this.#heap[0]!)) continue;
      if (this.#size < this.#heap.length) this.#rise(value);
      else this.#sink(value);
    }
  }

  #rise(value: number): void {
    const heap = this.#heap;
    let at = this.#size++;
    for (let parent = (at - 1) >> 1; at > 0 && heap[parent]! > value; parent = (at - 1) >> 1) {
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = value;
  }

  #sink(value: number): void {
    const heap = this.#heap;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= value) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = value;
  }
}
