/** A lock that is handed on in the order of asking. */
export class FairMutex {
  #locked = false;
  readonly #waiting: (() => void)[] = [];

  /** Takes the lock if it is free and nobody waits for it. */
  tryAcquire(): boolean {
    if (this.#locked) return false;
    this.#locked = true;
    return true;
  }

  /** Resolves when the lock is the caller's. */
  acquire(): Promise<void> {
    if (this.tryAcquire()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Hands the lock to who has waited longest; it is never free in between, so nobody can slip in. */
  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#locked = false;
    else next();
  }
}
