import { fromFloat16 } from "./half-floats.js";

/** Dequantises whole blocks into float32; `out` holds one element per stored element. */
export type Dequantizer = (blocks: Uint8Array, out: Float32Array, offset: number) => void;

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Q4_0: half scale d, 16 bytes of nibbles; element i from low nibbles, i + 16 from high; x = d (q - 8). */
const q4_0: Dequantizer = (blocks, out, offset) => {
  const data = view(blocks);
  for (let at = 0, y = offset; at < blocks.length; at += 18, y += 32) {
    const d = fromFloat16(data.getUint16(at, true));
    for (let j = 0; j < 16; j++) {
      const q = blocks[at + 2 + j] as number;
      out[y + j] = d * ((q & 15) - 8);
      out[y + 16 + j] = d * ((q >> 4) - 8);
    }
  }
};

/** Q5_0: as Q4_0, with the fifth bits of all 32 elements in one little-endian word; x = d (q - 16). */
const q5_0: Dequantizer = (blocks, out, offset) => {
  const data = view(blocks);
  for (let at = 0, y = offset; at < blocks.length; at += 22, y += 32) {
    const d = fromFloat16(data.getUint16(at, true));
    const high = data.getUint32(at + 2, true);
    for (let j = 0; j < 16; j++) {
      const q = blocks[at + 6 + j] as number;
      out[y + j] = d * (((q & 15) | (((high >>> j) & 1) << 4)) - 16);
      out[y + 16 + j] = d * (((q >> 4) | (((high >>> (j + 16)) & 1) << 4)) - 16);
    }
  }
};

/** Q8_0: half scale d, 32 int8; x = d q. */
const q8_0: Dequantizer = (blocks, out, offset) => {
  const data = view(blocks);
  for (let at = 0, y = offset; at < blocks.length; at += 34, y += 32) {
    const d = fromFloat16(data.getUint16(at, true));
    for (let j = 0; j < 32; j++) out[y + j] = d * data.getInt8(at + 2 + j);
  }
};

/** The j-th 6-bit scale and minimum of a K block, packed into 12 bytes at `at`. */
function scaleAndMinimum(blocks: Uint8Array, at: number, j: number): [number, number] {
  const byte = (i: number): number => blocks[at + i] as number;
  if (j < 4) return [byte(j) & 63, byte(j + 4) & 63];
  return [(byte(j + 4) & 15) | ((byte(j - 4) >> 6) << 4), (byte(j + 4) >> 4) | ((byte(j) >> 6) << 4)];
}

/** Q4_K and Q5_K: 8 groups of 32 with scale and minimum each; x = d · scale · q - dmin · minimum. */
const kBlocks =
  (fifthBits: boolean): Dequantizer =>
  (blocks, out, offset) => {
    const data = view(blocks);
    const size = fifthBits ? 176 : 144;
    for (let at = 0, y = offset; at < blocks.length; at += size, y += 256) {
      const d = fromFloat16(data.getUint16(at, true));
      const minimum = fromFloat16(data.getUint16(at + 2, true));
      const quants = at + (fifthBits ? 48 : 16);
      for (let group = 0; group < 8; group++) {
        const [scale, min] = scaleAndMinimum(blocks, at + 4, group);
        for (let l = 0; l < 32; l++) {
          const packed = blocks[quants + (group >> 1) * 32 + l] as number;
          let q = group & 1 ? packed >> 4 : packed & 15;
          if (fifthBits) q |= (((blocks[at + 16 + l] as number) >> group) & 1) << 4;
          out[y + group * 32 + l] = d * scale * q - minimum * min;
        }
      }
    }
  };

/** Q6_K: 16 groups of 16 with an int8 scale each; low four bits, high two bits apart; x = d · scale · (q - 32). */
const q6_K: Dequantizer = (blocks, out, offset) => {
  const data = view(blocks);
  for (let at = 0, y = offset; at < blocks.length; at += 210, y += 256) {
    const d = fromFloat16(data.getUint16(at + 208, true));
    for (let half = 0; half < 2; half++) {
      for (let quarter = 0; quarter < 4; quarter++) {
        for (let l = 0; l < 32; l++) {
          const low = blocks[at + half * 64 + (quarter & 1) * 32 + l] as number;
          const high = ((blocks[at + 128 + half * 32 + l] as number) >> (quarter * 2)) & 3;
          const q = ((quarter < 2 ? low & 15 : low >> 4) | (high << 4)) - 32;
          const scale = data.getInt8(at + 192 + half * 8 + quarter * 2 + (l >> 4));
          out[y + half * 128 + quarter * 32 + l] = d * scale * q;
        }
      }
    }
  }
};

/** By GGUF type name. Layouts as ggml-quants.c defines them. */
export const dequantizers: Readonly<Record<"Q4_0" | "Q5_0" | "Q8_0" | "Q4_K" | "Q5_K" | "Q6_K", Dequantizer>> = {
  Q4_0: q4_0,
  Q5_0: q5_0,
  Q8_0: q8_0,
  Q4_K: kBlocks(false),
  Q5_K: kBlocks(true),
  Q6_K: q6_K,
};
