import { describe, expect, it } from "vitest";

import { EmbeddingCache } from "../src/chat/embedding-cache.js";

/** Eight bytes. */
const two = (value: number): readonly Float32Array[] => [Float32Array.of(value), Float32Array.of(value)];

describe("EmbeddingCache", () => {
  it("drops what was used longest ago, by bytes", () => {
    const cache = new EmbeddingCache(16);
    cache.set("a", two(1));
    cache.set("b", two(2));
    expect(cache.get("a")).toEqual(two(1));
    cache.set("c", two(3));
    expect(cache.get("b")).toBeUndefined();
    expect(cache.get("a")).toEqual(two(1));
    expect(cache.get("c")).toEqual(two(3));
  });

  it("counts a replaced value once", () => {
    const cache = new EmbeddingCache(16);
    cache.set("a", two(1));
    cache.set("a", two(2));
    cache.set("b", two(3));
    expect(cache.get("a")).toEqual(two(2));
    expect(cache.get("b")).toEqual(two(3));
  });

  it("does not empty itself for a value that is larger than all of it", () => {
    const cache = new EmbeddingCache(8);
    cache.set("a", two(1));
    cache.set("large", [new Float32Array(3)]);
    expect(cache.get("large")).toBeUndefined();
    expect(cache.get("a")).toEqual(two(1));
  });
});
