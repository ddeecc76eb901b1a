/** A 32-bit number that the keys determine, in their order; what is drawn from it needs no state, so a run resumes anywhere. */
export function seededHash(...keys: readonly (number | string)[]): number {
  let state = 0;
  for (const key of keys) {
    if (typeof key === "number") state = spread(Math.imul(state, 5) + key + 1);
    else for (const char of key) state = spread(Math.imul(state, 5) + (char.codePointAt(0) as number) + 1);
  }
  return state >>> 0;
}

/** Number `index` of the stream that starts at a hash, in [0, 1); 24 bits, as many as a float32 holds, so that none rounds up to 1. */
export function seededUniform(hash: number, index: number): number {
  return (spread(hash + Math.imul(index + 1, 0x9e3779b9)) >>> 8) / 2 ** 24;
}

/** Spreads a change of any bit over all 32 (the finaliser of MurmurHash3, Appleby). */
function spread(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}
