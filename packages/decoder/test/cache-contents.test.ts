import { describe, expect, it } from "vitest";
import { CacheContents } from "../src/cache-contents.js";
import type { Prompt, Run } from "../src/segments.js";

const tokens = (...ids: number[]): Run => ({ type: "tokens", length: ids.length, tokens: Int32Array.from(ids) });
const image = (id: string, length: number): Run => ({ type: "embeddings", attention: "causal", grid: undefined, length, id, embeddings: new Float32Array(length * 4) });

function prompt(...runs: Run[]): Prompt {
  const embeddingCount = runs.reduce((sum, run) => sum + (run.type === "embeddings" ? run.length : 0), 0);
  const length = runs.reduce((sum, run) => sum + run.length, 0);
  return { runs, length, embeddingCount, tokenCount: length - embeddingCount };
}

function holding(...runs: Run[]): CacheContents {
  const contents = new CacheContents();
  for (const run of runs) {
    if (run.type === "tokens") contents.addTokens(run.tokens);
    else contents.addEmbeddings(run.id, run.length);
  }
  return contents;
}

describe("CacheContents.commonPrefix", () => {
  it("is where the tokens differ first", () => {
    expect(holding(tokens(1, 2, 3, 4)).commonPrefix(prompt(tokens(1, 2, 9, 4)))).toBe(2);
  });

  it("leaves the prompt's last position to be decoded", () => {
    expect(holding(tokens(1, 2, 3)).commonPrefix(prompt(tokens(1, 2, 3)))).toBe(2);
    expect(holding(tokens(1, 2, 3, 4)).commonPrefix(prompt(tokens(1, 2, 3)))).toBe(2);
  });

  it("covers an image with the same id, and the tokens after it", () => {
    const cache = holding(tokens(1), image("a", 3), tokens(5, 6, 7));
    expect(cache.commonPrefix(prompt(tokens(1), image("a", 3), tokens(5, 8)))).toBe(5);
  });

  it("ends before another image, and before one of another length", () => {
    const cache = holding(tokens(1), image("a", 3), tokens(5));
    expect(cache.commonPrefix(prompt(tokens(1), image("b", 3), tokens(5)))).toBe(1);
    expect(cache.commonPrefix(prompt(tokens(1), image("a", 2), tokens(5)))).toBe(1);
  });

  it("never takes a part of an image: one that ends the prompt is decoded whole", () => {
    expect(holding(tokens(1), image("a", 3)).commonPrefix(prompt(tokens(1), image("a", 3)))).toBe(1);
  });

  it("does not take tokens for an image's positions", () => {
    expect(holding(image("a", 2), tokens(5)).commonPrefix(prompt(tokens(7, 7, 5, 6)))).toBe(0);
  });

  it("tells neighbouring images apart", () => {
    const cache = holding(image("a", 2), image("b", 2), tokens(1));
    expect(cache.commonPrefix(prompt(image("a", 2), image("b", 2), tokens(1, 2)))).toBe(5);
    expect(cache.commonPrefix(prompt(image("b", 2), image("a", 2), tokens(1, 2)))).toBe(0);
  });
});

describe("CacheContents.truncate", () => {
  it("forgets an image that it would cut", () => {
    const cache = holding(tokens(1), image("a", 3), tokens(5));
    cache.truncate(3);
    expect(cache.length).toBe(1);
    expect(cache.commonPrefix(prompt(tokens(1), image("a", 3), tokens(5)))).toBe(1);
  });

  it("keeps an image that ends at the cut", () => {
    const cache = holding(tokens(1), image("a", 3), tokens(5));
    cache.truncate(4);
    expect(cache.length).toBe(4);
    expect(cache.commonPrefix(prompt(tokens(1), image("a", 3), tokens(5)))).toBe(4);
  });
});
