import { add, padFront, type Tensor } from "@sightline/graph";

/**
 * Patches behind the tokens that a tower puts before them (the class token, registers), all at their positions.
 * @param patches float32[B, P, D], embedded
 * @param rows float32[K + P, D]: the prefix tokens with their positions added, then the positions of the patches
 * @param prefix K
 * @returns float32[B, K + P, D]
 */
export function withPrefixTokens(patches: Tensor, rows: Tensor, prefix: number): Tensor {
  // Zeros plus a token are that token, in every image of a batch whose size is not known yet.
  return add(padFront(patches, 1, prefix), rows);
}
