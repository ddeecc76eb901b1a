/** A number of bytes that work may hold at a time; who finds too few left waits, in the order of asking. */
export class ByteBudget {
  readonly #limit: number;
  readonly #waiting: { readonly bytes: number; readonly admit: () => void }[] = [];
  #held = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes that are held now. */
  get held(): number {
    return this.#held;
  }

  /** Resolves once `bytes` fit beside what others hold. One that is larger than the whole budget goes alone. */
  take(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ bytes, admit: resolve });
      this.#admitNext();
    });
  }

  /** Gives back what was taken, or a part of it. */
  give(bytes: number): void {
    this.#held -= bytes;
    this.#admitNext();
  }

  #admitNext(): void {
    for (let next = this.#waiting[0]; next && (this.#held === 0 || this.#held + next.bytes <= this.#limit); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#held += next.bytes;
      next.admit();
    }
  }
}
