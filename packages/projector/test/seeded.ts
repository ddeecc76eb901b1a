/**
 * The values that tools/reference/projectors/seeded.py gives a name, to the last bit: goldens hold results only.
 * MurmurHash3's 32-bit finaliser over FNV-1a of the name plus the index.
 */
export function seeded(name: string, shape: readonly number[], scale = 1, offset = 0): Float32Array {
  let start = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) start = Math.imul(start ^ byte, 0x01000193);
  const values = new Float32Array(shape.reduce((product, dim) => product * dim, 1));
  for (let i = 0; i < values.length; i++) {
    let x = (start + i) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    x = (x ^ (x >>> 16)) >>> 0;
    values[i] = ((x >>> 8) / 2 ** 24 - 0.5) * 2 * scale + offset;
  }
  return values;
}
