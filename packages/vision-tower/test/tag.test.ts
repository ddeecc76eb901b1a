import { describe, expect, it } from "vitest";

import { LabelEmbeddings } from "../src/label-embeddings.js";
import { distinctLabels, rankTags, templatesOf } from "../src/tag.js";

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

  it("says none of the above when there are no labels", () => {
    expect(rankTags([], new Float32Array(0), 0)).toEqual({ tags: [], noneOfTheAbove: true });
  });
});

describe("distinctLabels", () => {
  it("trims labels and leaves out blank and repeated ones", () => {
    expect(distinctLabels([" cat", "dog", "cat", " ", ""])).toEqual(["cat", "dog"]);
  });

  it("leaves emoji and right-to-left labels as they are", () => {
    expect(distinctLabels(["👩‍🚀", "قطة", "👩‍🚀", "\u200fחתול"])).toEqual(["👩‍🚀", "قطة", "\u200fחתול"]);
  });
});

describe("templatesOf", () => {
  it("gives the usual one, or those of the options, each once", () => {
    expect(templatesOf({})).toEqual(["a photo of {label}"]);
    expect(templatesOf({ template: ["{label}", "a {label}", "{label}"] })).toEqual(["{label}", "a {label}"]);
  });

  it("refuses none, and one without a place for the label", () => {
    expect(() => templatesOf({ template: [] })).toThrow("expected at least one template");
    expect(() => templatesOf({ template: ["{label}", "a photo"] })).toThrow('got "a photo"');
  });
});

/** Label embeddings over a text tower that notes what it is asked, and turns the plane by a text's length. */
function counted(maxBytes: number): { readonly embeddings: LabelEmbeddings; readonly encoded: string[] } {
  const encoded: string[] = [];
  const embeddings = new LabelEmbeddings(async (texts) => {
    encoded.push(...texts);
    return Float32Array.from(texts.flatMap((text) => [3 * Math.cos(text.length), 3 * Math.sin(text.length)]));
  }, maxBytes);
  return { embeddings, encoded };
}

/** What `counted` gives for texts of those lengths, at length 1. */
function directions(...lengths: readonly number[]): Float32Array {
  return Float32Array.from(lengths.flatMap((length) => [Math.cos(length), Math.sin(length)]));
}

function expectRows(got: Float32Array, want: Float32Array): void {
  expect(got.length).toBe(want.length);
  got.forEach((value, i) => expect(value).toBeCloseTo(want[i] as number, 6));
}

describe("LabelEmbeddings", () => {
  const roomy = 2 ** 20;

  it("gives unit rows in the labels' order, and encodes a label once while it is kept", async () => {
    const { embeddings, encoded } = counted(roomy);
    expectRows(await embeddings.of(["a", "bb"], ["{label}"], 2, {}), directions(1, 2));
    expectRows(await embeddings.of(["bb", "ccc", "a"], ["{label}"], 2, {}), directions(2, 3, 1));
    expect(encoded).toEqual(["a", "bb", "ccc"]);
  });

  it("puts each label into the template, wherever it has a place, and takes $ as it stands", async () => {
    const { embeddings, encoded } = counted(roomy);
    await embeddings.of(["$& $1"], ["a {label}, just {label}"], 2, {});
    expect(encoded).toEqual(["a $& $1, just $& $1"]);
  });

  it("takes the unit mean over several templates", async () => {
    const { embeddings, encoded } = counted(roomy);
    const rows = await embeddings.of(["a", "bb"], ["{label}", "{label}."], 2, {});
    expect(encoded).toEqual(["a", "a.", "bb", "bb."]);
    expectRows(rows, directions(1.5, 2.5));
  });

  it("does not take a label under one template for the same under another", async () => {
    const { embeddings, encoded } = counted(roomy);
    expectRows(await embeddings.of(["a"], ["{label}"], 2, {}), directions(1));
    expectRows(await embeddings.of(["a"], ["{label}?"], 2, {}), directions(2));
    expect(encoded).toEqual(["a", "a?"]);
  });

  it("keeps the last set however large, and lets go of those before it", async () => {
    const { embeddings, encoded } = counted(1);
    const many = Array.from({ length: 3000 }, (_, i) => `label ${i}`);
    await embeddings.of(["first"], ["{label}"], 2, {});
    await embeddings.of(many, ["{label}"], 2, {});
    await embeddings.of(many, ["{label}"], 2, {});
    expect(encoded).toEqual(["first", ...many]);
    await embeddings.of(["first"], ["{label}"], 2, {});
    expect(encoded).toEqual(["first", ...many, "first"]);
  });

  it("lets go of the set that was used longest ago", async () => {
    const { embeddings, encoded } = counted(2 * (256 + 16 + 2 + 8));
    for (const label of ["a", "b", "a", "c", "a", "b"]) await embeddings.of([label], ["{label}"], 2, {});
    expect(encoded).toEqual(["a", "b", "c", "b"]);
  });

  it("encodes a label once for calls that overlap, and goes on after one that failed", async () => {
    const { embeddings, encoded } = counted(roomy);
    const stopped = embeddings.of(["a"], ["{label}"], 2, { signal: AbortSignal.abort(new Error("enough")) });
    await expect(Promise.all([stopped, embeddings.of(["a", "bb"], ["{label}"], 2, {})])).rejects.toThrow("enough");
    expectRows(await embeddings.of(["bb"], ["{label}"], 2, {}), directions(2));
    expect(encoded).toEqual(["a", "bb"]);
  });

  it("gives no rows for no labels", async () => {
    expect(await counted(roomy).embeddings.of([], ["{label}"], 2, {})).toHaveLength(0);
  });
});
