// The scan of a search in WebAssembly SIMD, written in AssemblyScript: the syntax of TypeScript, the types of WebAssembly.
// kernels/build-kernel.mjs compiles this file into src/search/dot-kernel-bytes.ts, which is committed, so that nobody who
// uses or builds the package needs the compiler. src/search/dot-rows.ts calls it, and has the same in plain TypeScript.
//
// Sums are exact: rows and query are int16 vectors of length at most about 32767, so that no sum of their products, whole
// or in part, leaves the range of int32 (Cauchy-Schwarz).

/** The sum of four int32. */
function total(lanes: v128): i32 {
  return i32x4.extract_lane(lanes, 0) + i32x4.extract_lane(lanes, 1) + i32x4.extract_lane(lanes, 2) + i32x4.extract_lane(lanes, 3);
}

/**
 * Dot products of rows with one query. Four rows at a time, which share the loads of the query.
 *
 * @param rows int16[count, stride / 2]
 * @param count rows
 * @param stride bytes of a row and of the query, a multiple of 16
 * @param query int16[stride / 2]
 * @param out int32[count]
 */
export function dotRows(rows: usize, count: usize, stride: usize, query: usize, out: usize): void {
  const fours = out + (count >> 2) * 16;
  const end = out + count * 4;
  const row1 = stride, row2 = stride * 2, row3 = stride * 3;
  for (; out < fours; out += 16) {
    let sum0 = i32x4.splat(0), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    for (let at: usize = 0; at < stride; at += 16) {
      const q = v128.load(query + at);
      const row = rows + at;
      sum0 = i32x4.add(sum0, i32x4.dot_i16x8_s(v128.load(row), q));
      sum1 = i32x4.add(sum1, i32x4.dot_i16x8_s(v128.load(row + row1), q));
      sum2 = i32x4.add(sum2, i32x4.dot_i16x8_s(v128.load(row + row2), q));
      sum3 = i32x4.add(sum3, i32x4.dot_i16x8_s(v128.load(row + row3), q));
    }
    store<i32>(out, total(sum0));
    store<i32>(out, total(sum1), 4);
    store<i32>(out, total(sum2), 8);
    store<i32>(out, total(sum3), 12);
    rows += stride * 4;
  }
  for (; out < end; out += 4) {
    let sum = i32x4.splat(0);
    for (let at: usize = 0; at < stride; at += 16) sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(rows + at), v128.load(query + at)));
    store<i32>(out, total(sum));
    rows += stride;
  }
}
