import { describe, expect, it } from "vitest";

import { LabelEmbeddings } from "../src/label-embeddings.js";
import { labelPhrases, rankTags } from "../src/tag.js";

describe("rankTags", () => {
  it("gives every label its own sigmoid: two may be likely, all may be unlikely", () => {
    const { tags, noneOfTheAbove } = rankTags(["a", "b", "c"], Float32Array.of(2, -3, 2.5), 0.5);
    expect(tags.map(({ label }) => label)).toEqual(["c", "a", "b"]);
    [0.924142, 0.880797, 0.047426].forEach((probability, i) => expect(tags[i]?.probability).toBeCloseTo(probability, 5));
    expect(noneOfTheAbove).toBe(false);
    expect(rankTags(["a", "b"], Float32Array.of(-2, -3), 0.5).noneOfTheAbove).toBe(true);
  });

  it("counts a label that is exactly at the threshold", () => {
    expect(rankTags(["a"], Float32Array.of(0), 0.5).noneOfTheAbove).toBe(false);
  });
});

describe("labelPhrases", () => {
  it("puts each distinct label, trimmed, into the template, wherever it has a place", () => {
    expect(labelPhrases([" cat", "dog", "cat", " "], "a {label}, just a {label}")).toEqual({
      labels: ["cat", "dog"],
      phrases: ["a cat, just a cat", "a dog, just a dog"],
    });
  });

  it("takes $ in a label as it stands", () => {
    expect(labelPhrases(["$& $1"], "a {label}").phrases).toEqual(["a $& $1"]);
  });
});

describe("LabelEmbeddings", () => {
  it("encodes a phrase once while it is kept, and again when too many came after it", async () => {
    const encoded: string[] = [];
    const embeddings = new LabelEmbeddings(async (texts) => {
      encoded.push(...texts);
      return Float32Array.from(texts.flatMap((text) => [text.length, text.charCodeAt(0)]));
    }, 2);
    expect([...(await embeddings.of(["a", "bb"], 2, {}))]).toEqual([1, 97, 2, 98]);
    expect([...(await embeddings.of(["bb", "ccc", "a"], 2, {}))]).toEqual([2, 98, 3, 99, 1, 97]);
    expect(encoded).toEqual(["a", "bb", "ccc"]);
    await embeddings.of(["a"], 2, {});
    expect(encoded).toEqual(["a", "bb", "ccc", "a"]);
  });

  it("answers for more phrases than it keeps", async () => {
    const embeddings = new LabelEmbeddings(async (texts) => Float32Array.from(texts, (text) => text.length), 1);
    expect([...(await embeddings.of(["a", "bb", "ccc"], 1, {}))]).toEqual([1, 2, 3]);
  });
});
