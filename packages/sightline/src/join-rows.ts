/** Rows of the same width one after the other, float32[N, W]. */
export function joinRows(blocks: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(blocks.reduce((sum, block) => sum + block.length, 0));
  blocks.reduce((at, block) => (joined.set(block, at), at + block.length), 0);
  return joined;
}
