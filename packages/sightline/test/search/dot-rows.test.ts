import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { dotRowsOn, hasDotKernel, plainDotRows } from "../../src/search/dot-rows.js";
import { cosine, cosineBound, quantize } from "../../src/search/quantized-rows.js";
import { planSegments, queriesAtOnce } from "../../src/search/segment.js";
import { allocateShared, bufferOf } from "../../src/search/shared-memory.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

describe("the dot product kernel", () => {
  it("runs here, and its bytes are what its source compiles to", () => {
    expect(hasDotKernel()).toBe(true);
    const check = spawnSync(process.execPath, ["kernels/build-kernel.mjs", "--check"], { cwd: root, encoding: "utf8" });
    expect([check.status, check.stderr]).toEqual([0, ""]);
  });

  it("gives the plain version's sums, and bytes beside them stay", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 13 }), fc.integer({ min: 1, max: 9 }), fc.nat(), (count, eights, seed) => {
        const stride = eights * 16;
        const memory = allocateShared(64 + (count + 1) * (stride + 4) + 4, true);
        const [query, rows] = [16, 16 + stride];
        const out = rows + count * stride;
        const values = new Int16Array(bufferOf(memory));
        let state = seed;
        // Lengths of at most 32767, as the kernel asks for.
        const most = Math.floor(32_767 / Math.sqrt(stride / 2));
        for (let i = query / 2; i < out / 2; i++) {
          state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
          values[i] = (state >> 16) % most;
        }
        const sums = new Int32Array(bufferOf(memory), out, count + 1);
        sums.fill(77);
        plainDotRows(bufferOf(memory))(rows, count, stride, query, out);
        const want = [...sums];
        sums.fill(77);
        dotRowsOn(memory)(rows, count, stride, query, out);
        expect([...sums]).toEqual(want);
        expect(want.at(-1)).toBe(77);
      }),
      { numRuns: 300 },
    );
  });

  it("does not overflow for equal rows of the greatest length, in one value or spread over many", () => {
    for (const width of [8, 1152]) {
      for (const vector of [Float32Array.from({ length: width }, (_, d) => (d === 3 ? -5 : 0)), new Float32Array(width).fill(1)]) {
        const memory = allocateShared(width * 4 + 4, true);
        const values = new Int16Array(bufferOf(memory));
        for (const at of [0, width]) expect(quantize(vector, 0, width, values, at)).toBe(true);
        dotRowsOn(memory)(0, 1, width * 2, width * 2, width * 4);
        const [product] = new Int32Array(bufferOf(memory), width * 4, 1);
        expect(Math.abs((product as number) / 32_767 ** 2 - 1)).toBeLessThan(cosineBound(width));
      }
    }
  });
});

describe("quantised rows", () => {
  it("have products within the bound of their cosines", () => {
    const values = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(values, values), { minLength: 1, maxLength: 40 }), (pairs) => {
        const [a, b] = [Float32Array.from(pairs, ([x]) => x), Float32Array.from(pairs, ([, y]) => y)];
        const [p, q] = [new Int16Array(a.length), new Int16Array(a.length)];
        fc.pre(quantize(a, 0, a.length, p, 0) && quantize(b, 0, b.length, q, 0));
        const product = p.reduce((sum, value, d) => sum + value * (q[d] as number), 0);
        expect(Math.abs(product / 32_767 ** 2 - cosine(a, b))).toBeLessThanOrEqual(cosineBound(a.length));
      }),
      { numRuns: 500 },
    );
  });
});

describe("planSegments", () => {
  it("gives every row one place, on its boundary, within a memory", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 1, max: 100 }), fc.integer({ min: 2000, max: 40_000 }), (rows, width, most) => {
        const segments = planSegments(rows, width, most);
        let next = 0;
        for (const { firstRow, rows: count, stride, queriesAt, rowsAt, productsAt, usableAt, bytes } of segments) {
          expect(firstRow).toBe(next);
          next += count;
          expect([stride % 16, rowsAt % 16, productsAt % 4]).toEqual([0, 0, 0]);
          expect(rowsAt - queriesAt).toBeGreaterThanOrEqual(queriesAtOnce * stride);
          expect(productsAt - rowsAt).toBe(count * stride);
          expect(usableAt - productsAt).toBe(count * 4 * queriesAtOnce);
          expect(bytes).toBeGreaterThanOrEqual(usableAt + count);
          expect(bytes).toBeLessThanOrEqual(most);
        }
        expect(next).toBe(rows);
      }),
    );
  });
});
