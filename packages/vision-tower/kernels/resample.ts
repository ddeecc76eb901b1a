// The inner loops of Pillow's resampling in WebAssembly SIMD, written in AssemblyScript: the syntax of TypeScript, the
// types of WebAssembly. kernels/build-kernel.mjs compiles this file into src/pixels/resample-kernel-bytes.ts, which is
// committed, so that nobody who uses or builds the package needs the compiler. src/pixels/resample-simd.ts lays out the
// memory and calls these functions; src/pixels/resample-plain.ts is the same arithmetic in plain TypeScript.
//
// Exactness. A coefficient c has 22 bits after the point, and the fast instruction, dot_i16x8_s, multiplies 16-bit
// numbers: products of eight neighbouring lanes, added in pairs. So every coefficient comes in two pieces,
// c = 2048 * high + low with 0 <= low < 2048, and a sum is 2048 * (sum of p * high) + (sum of p * low). Both are taken
// modulo 2^32, as Pillow's and the plain version's are, so the bits are equal whatever the order of additions.

/** Half of the unit of an output level, which makes the final shift round to nearest. */
const half: i32 = 1 << 21;

/** The output level: 2048 * high + low without the 22 bits after the point; not yet clamped to 0..255. */
function level(low: v128, high: v128): v128 {
  return i32x4.shr_s(i32x4.add(low, i32x4.shl(high, 11)), 22);
}

/** Four int32x4 as 16 bytes, clamped to 0..255. */
function bytes(a: v128, b: v128, c: v128, d: v128): v128 {
  return i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
}

/**
 * The horizontal pass for four rows of RGB bytes at once, which share their coefficients.
 *
 * One 16-byte load holds four pixels (and a bit of the fifth). Two swizzles widen them to 16 bits and pair neighbours
 * of a channel, r0 r1 g0 g1 b0 b1 - -, so that one dot product adds two taps of all three channels.
 *
 * @param source the first of four rows, `sourceStride` bytes apart, readable for `groups` * 12 + 4 bytes past their ends
 * @param starts uint32[outWidth]: the byte in a row of the first pixel that each output pixel reads
 * @param coefficients int16[outWidth, groups, 8]: low0 low1 high0 high1 low2 low3 high2 high3 of four taps
 * @param groups how many times four taps an output pixel has; unused ones are 0
 * @param out the first of four rows, `outStride` bytes apart, writable for one byte more than 3 * outWidth
 */
export function resampleFourRows(source: usize, sourceStride: usize, starts: usize, coefficients: usize, groups: usize, out: usize, outStride: usize, outWidth: usize): void {
  // Lanes of -1 become 0.
  const firstPair = i8x16(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
  const secondPair = i8x16(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  const source1 = source + sourceStride, source2 = source1 + sourceStride, source3 = source2 + sourceStride;
  const out1 = outStride, out2 = out1 + outStride, out3 = out2 + outStride;
  for (const end = out + outWidth * 3; out < end; out += 3) {
    let low0 = i32x4.splat(half), low1 = low0, low2 = low0, low3 = low0;
    let high0 = i32x4.splat(0), high1 = high0, high2 = high0, high3 = high0;
    let at: usize = load<u32>(starts);
    starts += 4;
    for (const last = at + groups * 12; at < last; at += 12) {
      const lowA = v128.load32_splat(coefficients), highA = v128.load32_splat(coefficients, 4);
      const lowB = v128.load32_splat(coefficients, 8), highB = v128.load32_splat(coefficients, 12);
      coefficients += 16;

      let pixels = v128.load(source + at);
      let a = i8x16.swizzle(pixels, firstPair), b = i8x16.swizzle(pixels, secondPair);
      low0 = i32x4.add(low0, i32x4.add(i32x4.dot_i16x8_s(a, lowA), i32x4.dot_i16x8_s(b, lowB)));
      high0 = i32x4.add(high0, i32x4.add(i32x4.dot_i16x8_s(a, highA), i32x4.dot_i16x8_s(b, highB)));

      pixels = v128.load(source1 + at);
      a = i8x16.swizzle(pixels, firstPair); b = i8x16.swizzle(pixels, secondPair);
      low1 = i32x4.add(low1, i32x4.add(i32x4.dot_i16x8_s(a, lowA), i32x4.dot_i16x8_s(b, lowB)));
      high1 = i32x4.add(high1, i32x4.add(i32x4.dot_i16x8_s(a, highA), i32x4.dot_i16x8_s(b, highB)));

      pixels = v128.load(source2 + at);
      a = i8x16.swizzle(pixels, firstPair); b = i8x16.swizzle(pixels, secondPair);
      low2 = i32x4.add(low2, i32x4.add(i32x4.dot_i16x8_s(a, lowA), i32x4.dot_i16x8_s(b, lowB)));
      high2 = i32x4.add(high2, i32x4.add(i32x4.dot_i16x8_s(a, highA), i32x4.dot_i16x8_s(b, highB)));

      pixels = v128.load(source3 + at);
      a = i8x16.swizzle(pixels, firstPair); b = i8x16.swizzle(pixels, secondPair);
      low3 = i32x4.add(low3, i32x4.add(i32x4.dot_i16x8_s(a, lowA), i32x4.dot_i16x8_s(b, lowB)));
      high3 = i32x4.add(high3, i32x4.add(i32x4.dot_i16x8_s(a, highA), i32x4.dot_i16x8_s(b, highB)));
    }
    // A pixel is three bytes; the fourth that is stored is overwritten by the next pixel.
    const pixel = bytes(level(low0, high0), level(low1, high1), level(low2, high2), level(low3, high3));
    v128.store32_lane(out, pixel, 0);
    v128.store32_lane(out + out1, pixel, 1);
    v128.store32_lane(out + out2, pixel, 2);
    v128.store32_lane(out + out3, pixel, 3);
  }
}

/**
 * The vertical pass for one output row, 16 bytes of it at a time. Two source rows are interleaved byte by byte, so that
 * one dot product adds both.
 *
 * @param source the first row that is read; rows are `stride` bytes apart, a multiple of 16
 * @param coefficients int16[pairs, 4]: low0 low1 high0 high1 of two rows
 * @param pairs how many times two rows are read
 * @param out where `stride` bytes go
 */
export function resampleOneColumnRow(source: usize, stride: usize, coefficients: usize, pairs: usize, out: usize): void {
  const lastCoefficient = coefficients + pairs * 8;
  for (let x: usize = 0; x < stride; x += 16) {
    let low0 = i32x4.splat(half), low1 = low0, low2 = low0, low3 = low0;
    let high0 = i32x4.splat(0), high1 = high0, high2 = high0, high3 = high0;
    let at = source + x;
    for (let c = coefficients; c < lastCoefficient; c += 8) {
      const low = v128.load32_splat(c), high = v128.load32_splat(c, 4);
      const upper = v128.load(at), lower = v128.load(at + stride);
      at += 2 * stride;
      const left = i8x16.shuffle(upper, lower, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      const right = i8x16.shuffle(upper, lower, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
      const p0 = i16x8.extend_low_i8x16_u(left), p1 = i16x8.extend_high_i8x16_u(left);
      const p2 = i16x8.extend_low_i8x16_u(right), p3 = i16x8.extend_high_i8x16_u(right);
      low0 = i32x4.add(low0, i32x4.dot_i16x8_s(p0, low));
      high0 = i32x4.add(high0, i32x4.dot_i16x8_s(p0, high));
      low1 = i32x4.add(low1, i32x4.dot_i16x8_s(p1, low));
      high1 = i32x4.add(high1, i32x4.dot_i16x8_s(p1, high));
      low2 = i32x4.add(low2, i32x4.dot_i16x8_s(p2, low));
      high2 = i32x4.add(high2, i32x4.dot_i16x8_s(p2, high));
      low3 = i32x4.add(low3, i32x4.dot_i16x8_s(p3, low));
      high3 = i32x4.add(high3, i32x4.dot_i16x8_s(p3, high));
    }
    v128.store(out + x, bytes(level(low0, high0), level(low1, high1), level(low2, high2), level(low3, high3)));
  }
}
