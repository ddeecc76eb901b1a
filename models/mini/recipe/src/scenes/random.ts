/** The whole state of a `Random`: four unsigned 32-bit words. */
export type RandomState = readonly [number, number, number, number];

/**
 * A small fast counter (sfc32, Doty-Humphrey's "small fast chaotic" generator with a 32-bit word) whose state can be
 * saved and restored, so that a resumed run draws exactly the scenes that an uninterrupted one would.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter: number;

  private constructor(state: RandomState) {
    [this.#a, this.#b, this.#c, this.#counter] = [state[0] | 0, state[1] | 0, state[2] | 0, state[3] | 0];
  }

  /** Seeds from any number of integers or strings; the same seeds give the same sequence on every machine. */
  static fromSeed(...seeds: readonly (number | string)[]): Random {
    const hash = hashSeeds(seeds);
    const second = scramble(hash ^ 0x9e3779b9);
    const random = new Random([hash, second, scramble(second ^ 0x85ebca6b), 1]);
    for (let i = 0; i < 12; i++) random.uint32();
    return random;
  }

  /** A generator that goes on from a saved state. */
  static restore(state: RandomState): Random {
    return new Random(state);
  }

  /** The state to hand to `Random.restore`. */
  save(): RandomState {
    return [this.#a >>> 0, this.#b >>> 0, this.#c >>> 0, this.#counter >>> 0];
  }

  /** Uniform over 0 to 2^32 - 1. */
  uint32(): number {
    const result = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + result | 0;
    return result >>> 0;
  }

  /** Uniform over [low, high), [0, 1) if not told. */
  uniform(low = 0, high = 1): number {
    return low + (this.uint32() / 4294967296) * (high - low);
  }

  /** A whole number in [0, bound). */
  int(bound: number): number {
    return Math.floor(this.uniform() * bound);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  /** Normally distributed (Box and Muller); consumes two uniforms. */
  normal(mean = 0, deviation = 1): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return mean + deviation * radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** One of the items, each as likely. Throws for an empty list. */
  choice<T>(items: readonly T[]): T {
    if (items.length === 0) throw new Error("Random.choice: expected at least one item, got an empty list");
    return items[this.int(items.length)] as T;
  }

  /** An index drawn in proportion to `weights`. */
  weighted(weights: readonly number[]): number {
    let total = 0;
    for (const weight of weights) total += weight;
    let at = this.uniform() * total;
    for (let i = 0; i < weights.length; i++) {
      at -= weights[i] ?? 0;
      if (at < 0) return i;
    }
    return weights.length - 1;
  }

  /** Shuffles in place (Fisher and Yates) and returns the same array. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      const swap = items[i] as T;
      items[i] = items[j] as T;
      items[j] = swap;
    }
    return items;
  }
}

/** Mixes a 32-bit integer so that near inputs give far outputs (the finaliser of MurmurHash3). */
export function scramble(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

function hashSeeds(seeds: readonly (number | string)[]): number {
  let hash = 0x811c9dc5;
  const add = (word: number): void => {
    hash = scramble(Math.imul(hash ^ word, 0x01000193) + 0x7f4a7c15);
  };
  for (const seed of seeds) {
    if (typeof seed === "string") {
      for (let i = 0; i < seed.length; i++) add(seed.charCodeAt(i));
      add(0x5eed);
    } else {
      add(seed | 0);
      add(Math.floor(seed / 4294967296) | 0);
    }
  }
  return hash;
}
