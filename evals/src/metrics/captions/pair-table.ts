/**
 * Numbers pairs of whole numbers in the order in which they are first asked for. Open addressing in typed arrays: a Map would
 * box each of the millions of keys.
 */
export class PairTable {
  /** Three numbers a slot: the pair, and its number + 1; 0 where the slot is free. A power of two of slots. */
  #slots = new Int32Array(3 * 1024);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The number of the pair; both below 2^31. */
  idOf(a: number, b: number): number {
    const at = this.#find(this.#slots, a, b);
    const known = this.#slots[at + 2] as number;
    if (known > 0) return known - 1;
    this.#slots.set([a, b, ++this.#size], at);
    if (this.#size * 2 > this.#slots.length / 3) this.#grow();
    return this.#size - 1;
  }

  #find(slots: Int32Array, a: number, b: number): number {
    const count = slots.length / 3;
    let hash = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca77);
    hash ^= hash >>> 15;
    for (let slot = hash & (count - 1); ; slot = (slot + 1) & (count - 1)) {
      const at = slot * 3;
      if (slots[at + 2] === 0 || (slots[at] === a && slots[at + 1] === b)) return at;
    }
  }

  #grow(): void {
    const old = this.#slots;
    const slots = new Int32Array(old.length * 2);
    for (let at = 0; at < old.length; at += 3) {
      if (old[at + 2] === 0) continue;
      slots.set(old.subarray(at, at + 3), this.#find(slots, old[at] as number, old[at + 1] as number));
    }
    this.#slots = slots;
  }
}
