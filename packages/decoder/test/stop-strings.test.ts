import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StopStrings } from "../src/stop-strings.js";

/** Feeds parts until a stop string is found; what was shown, and when. */
function feed(stops: readonly string[], parts: readonly string[]): { shown: string[]; stop: string | undefined } {
  const checker = new StopStrings(stops);
  const shown: string[] = [];
  for (const part of parts) {
    const { text, stop } = checker.push(part);
    shown.push(text);
    if (stop !== undefined) return { shown, stop };
  }
  shown.push(checker.flush());
  return { shown, stop: undefined };
}

describe("StopStrings", () => {
  it("finds a stop string that is spread over parts", () => {
    expect(feed(["<end>"], ["abc<", "en", "d>def"])).toEqual({ shown: ["abc", "", ""], stop: "<end>" });
  });

  it("shows text that was held back once it cannot be a stop string", () => {
    expect(feed(["<end>"], ["abc<e", "lse"])).toEqual({ shown: ["abc", "<else", ""], stop: undefined });
  });

  it("shows at the end what was held back", () => {
    expect(feed(["<end>"], ["abc<e"])).toEqual({ shown: ["abc", "<e"], stop: undefined });
  });

  it("holds back only the part that could begin a stop string", () => {
    expect(feed(["aab"], ["aaa", "b"])).toEqual({ shown: ["a", ""], stop: "aab" });
  });

  it("takes the stop string that is complete first, and of two the longer", () => {
    expect(feed(["abcd", "bc"], ["abcd"])).toEqual({ shown: ["a"], stop: "bc" });
    expect(feed(["bc", "abc"], ["xabc"])).toEqual({ shown: ["x"], stop: "abc" });
  });

  it("lets everything through at once without stop strings", () => {
    expect(feed([], ["a", "b"])).toEqual({ shown: ["a", "b", ""], stop: undefined });
  });

  const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 4 });

  it("gives the same text and stop string for any division into parts, and never shows a stop string", () => {
    fc.assert(
      fc.property(fc.array(letters, { minLength: 1, maxLength: 3 }), fc.array(letters, { maxLength: 20 }), (stops, parts) => {
        const whole = feed(stops, [...parts.join("")]);
        const divided = feed(stops, parts);
        expect(divided.stop).toBe(whole.stop);
        expect(divided.shown.join("")).toBe(whole.shown.join(""));
        for (const stop of stops) expect(divided.shown.join("")).not.toContain(stop);
        if (divided.stop === undefined) expect(divided.shown.join("")).toBe(parts.join(""));
        else expect(parts.join("").startsWith(divided.shown.join("") + divided.stop)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it("holds back less than the longest stop string", () => {
    fc.assert(
      fc.property(fc.array(letters, { minLength: 1, maxLength: 3 }), fc.array(letters, { maxLength: 20 }), (stops, parts) => {
        const checker = new StopStrings(stops);
        let [given, shown] = [0, 0];
        for (const part of parts) {
          const { text, stop } = checker.push(part);
          if (stop !== undefined) return;
          given += part.length;
          shown += text.length;
          expect(given - shown).toBeLessThan(Math.max(...stops.map((s) => s.length)));
        }
      }),
    );
  });
});
