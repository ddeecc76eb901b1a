import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutLongRuns } from "../src/long-runs.js";

describe("cutLongRuns", () => {
  it("leaves text with ordinary words whole, however long", () => {
    const text = "a few words ".repeat(10_000);
    expect(cutLongRuns(text)).toEqual([text]);
  });

  it("cuts a long word and a long space", () => {
    expect(cutLongRuns("abcdefgh", 3)).toEqual(["abc", "def", "gh"]);
    expect(cutLongRuns("ab     c", 2)).toEqual(["ab  ", "  ", " c"]);
  });

  it("never cuts a surrogate pair", () => {
    expect(cutLongRuns("🍎🍎🍎", 3)).toEqual(["🍎", "🍎", "🍎"]);
  });

  it("keeps the text, and leaves no run much longer than the limit", () => {
    const text = fc.array(fc.constantFrom("a", " ", "🍎", "\n", "é"), { maxLength: 200 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(text, fc.integer({ min: 2, max: 9 }), (whole, limit) => {
        const pieces = cutLongRuns(whole, limit);
        expect(pieces.join("")).toBe(whole);
        for (const piece of pieces) {
          expect(Buffer.from(piece).toString()).toBe(piece);
          for (const [run] of piece.matchAll(/\S+|\s+/g)) expect(run.length).toBeLessThanOrEqual(limit);
        }
      }),
    );
  });
});
