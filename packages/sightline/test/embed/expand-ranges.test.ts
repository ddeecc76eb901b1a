import { describe, expect, it } from "vitest";

import { expandRanges } from "../../src/embed/expand-ranges.js";

describe("expandRanges", () => {
  it.each([
    ["a.tar", ["a.tar"]],
    ["s-{008..011}.tar", ["s-008.tar", "s-009.tar", "s-010.tar", "s-011.tar"]],
    ["{9..11}", ["9", "10", "11"]],
    ["{2..0}", ["2", "1", "0"]],
    ["{00..1}/{5..5}", ["00/5", "01/5"]],
    ["{a,b}{1..2}", ["{a,b}1", "{a,b}2"]],
  ])("%s", (pattern, names) => {
    expect(expandRanges(pattern)).toEqual(names);
  });

  it("refuses more names than anyone means", () => {
    expect(() => expandRanges("{0..999}{0..9999}")).toThrow("expected at most 1000000 names, got 10000000");
  });
});
