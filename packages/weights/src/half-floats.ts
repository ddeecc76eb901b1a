const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

let float16Table: Float32Array | undefined;

/** The 65,536 values of IEEE half precision, made at the first use. */
function halfValues(): Float32Array {
  if (!float16Table) {
    float16Table = new Float32Array(65536);
    for (let bits = 0; bits < 65536; bits++) {
      const sign = bits & 0x8000 ? -1 : 1;
      const exponent = (bits >> 10) & 31;
      const fraction = bits & 1023;
      float16Table[bits] =
        sign * (exponent === 31 ? (fraction ? Number.NaN : Number.POSITIVE_INFINITY) : exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
    }
  }
  return float16Table;
}

/** One half-precision value from its bits. */
export function fromFloat16(bits: number): number {
  return halfValues()[bits] as number;
}

/** Half precision to float32, element by element. */
export function widenFloat16(bits: Uint16Array, out: Float32Array, offset = 0): void {
  const table = halfValues();
  for (let i = 0; i < bits.length; i++) out[offset + i] = table[bits[i] as number] as number;
}

/** bfloat16 to float32: the upper half of the same bits. */
export function widenBfloat16(bits: Uint16Array, out: Float32Array, offset = 0): void {
  const words = new Uint32Array(out.buffer, out.byteOffset + offset * 4, bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = (bits[i] as number) << 16;
}

/** A number's bits in half precision, rounded to nearest, ties to even. */
export function toFloat16(value: number): number {
  scratch[0] = value;
  return float16Of(scratchBits[0] as number, scratch[0] as number);
}

/** float32 to half-precision bits, rounded to nearest, ties to even. */
export function narrowFloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) bits[i] = float16Of(words[i] as number, values[i] as number);
  return bits;
}

/** float32 to bfloat16 bits, rounded to nearest, ties to even. */
export function narrowBfloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = words[i] as number;
    const isNan = (word & 0x7fffffff) > 0x7f800000;
    bits[i] = isNan ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return bits;
}

/** @param word the bits of `value` as float32 */
function float16Of(word: number, value: number): number {
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65520 and beyond round to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) return sign | roundToEven(Math.abs(value) * 2 ** 24);
  // Rebiases the exponent; a carry out of the fraction moves into it, which is right.
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
