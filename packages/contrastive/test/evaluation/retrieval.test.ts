import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { retrieval, type RetrievalSet } from "../../src/evaluation/retrieval.js";

/** Embeddings whose cosines are exact: rows of the axes of a space. */
function axes(width: number, ...which: readonly number[]): Float32Array {
  const rows = new Float32Array(which.length * width);
  which.forEach((axis, row) => (rows[row * width + axis] = 1));
  return rows;
}

describe("retrieval", () => {
  it("finds everything where each text lies on its image", () => {
    const { imageToText, textToImage } = retrieval({ width: 3, images: axes(3, 0, 1, 2), texts: axes(3, 2, 0, 1), imageOfText: [2, 0, 1] });
    expect([...imageToText.at, ...textToImage.at]).toEqual([[1, 1], [5, 1], [10, 1], [1, 1], [5, 1], [10, 1]]);
    expect([imageToText.medianRank, textToImage.medianRank]).toEqual([1, 1]);
  });

  it("counts any of an image's captions, and each caption as a query of its own", () => {
    // By angle in degrees: images at 0 and 90; captions of the first at 80 and 10, of the second at 60 and 50.
    const at = (...degrees: number[]): Float32Array => Float32Array.from(degrees.flatMap((degree) => [Math.cos((degree * Math.PI) / 180), Math.sin((degree * Math.PI) / 180)]));
    const { imageToText, textToImage } = retrieval({ width: 2, images: at(0, 90), texts: at(80, 10, 60, 50), imageOfText: [0, 0, 1, 1] }, [1, 2]);
    // Image 0 finds its caption at 10 first; image 1 finds the other's at 80 before its own at 60.
    expect([...imageToText.at]).toEqual([[1, 0.5], [2, 1]]);
    // Only the caption at 80 is nearer to the wrong image.
    expect([...textToImage.at]).toEqual([[1, 0.75], [2, 1]]);
  });

  it("counts ties against the query", () => {
    const same = Float32Array.from({ length: 4 * 3 }, () => 0.3);
    const { imageToText, textToImage } = retrieval({ width: 3, images: same, texts: same, imageOfText: [0, 1, 2, 3] }, [1, 3, 4]);
    expect([...imageToText.at]).toEqual([[1, 0], [3, 0], [4, 1]]);
    expect([...textToImage.at]).toEqual([[1, 0], [3, 0], [4, 1]]);
    expect(imageToText.medianRank).toBe(4);
  });

  it("finds nothing by embeddings that are no numbers", () => {
    const broken = new Float32Array(6).fill(Number.NaN);
    const { imageToText, textToImage } = retrieval({ width: 2, images: broken, texts: axes(2, 0, 1, 0), imageOfText: [0, 1, 2] }, [1]);
    expect([imageToText.at.get(1), textToImage.at.get(1)]).toEqual([0, 0]);
  });

  it("takes an equal caption of another image for right only when told what captions say", () => {
    // Two images, each with the other's embedding as its caption's.
    const set = { width: 2, images: axes(2, 0, 1), texts: axes(2, 1, 0), imageOfText: [0, 1] };
    expect(retrieval(set, [1]).imageToText.at.get(1)).toBe(0);
    const { imageToText, textToImage } = retrieval({ ...set, keys: ["a cat", "a cat"] }, [1]);
    expect([imageToText.at.get(1), textToImage.at.get(1)]).toEqual([1, 1]);
    expect(retrieval({ ...set, keys: ["a cat", "a dog"] }, [1]).textToImage.at.get(1)).toBe(0);
  });

  it("does not ask images without a caption", () => {
    const { imageToText } = retrieval({ width: 3, images: axes(3, 0, 1, 2), texts: axes(3, 0), imageOfText: [0] }, [1]);
    expect(imageToText.at.get(1)).toBe(1);
  });

  it.each([
    [{ imageOfText: [0, 2] }, "retrieval: text 1 expected an image from 0 to 1, got 2"],
    [{ imageOfText: [0] }, "got 4 and 4 elements, and 1"],
    [{ imageOfText: [0, 1], keys: ["one"] }, "retrieval: expected images"],
    [{ images: new Float32Array(0) }, "retrieval: expected images"],
  ])("rejects a set that does not fit: %j", (wrong, message) => {
    const set: RetrievalSet = { width: 2, images: axes(2, 0, 1), texts: axes(2, 0, 1), imageOfText: [0, 1], ...wrong };
    expect(() => retrieval(set)).toThrow(message);
  });
});

/** Few different values, so that ties come up. */
const set = fc.record({ n: fc.integer({ min: 1, max: 7 }), perImage: fc.integer({ min: 1, max: 3 }), width: fc.integer({ min: 1, max: 5 }), seed: fc.integer({ min: 1, max: 1e9 }) }).map(({ n, perImage, width, seed }): RetrievalSet & { n: number } => {
  let state = seed;
  const draw = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 16) % 3 === 0 ? 0 : (((state >>> 18) % 5) - 2) / 2;
  };
  const rows = (count: number): Float32Array => Float32Array.from({ length: count * width }, draw);
  return { n, width, images: rows(n), texts: rows(n * perImage), imageOfText: Int32Array.from({ length: n * perImage }, (_, j) => j % n) };
});

describe("retrieval of a large set", () => {
  it("joins its tiles", () => {
    // Texts of an image lie far apart; each points at its own image a little more than at all others.
    const [n, perImage, width] = [131, 4, 131];
    const texts = axes(width, ...Array.from({ length: n * perImage }, (_, j) => j % n)).map((value) => value + 0.01);
    // The last two images are each other's.
    const images = axes(width, ...Array.from({ length: n }, (_, i) => (i === 129 ? 130 : i === 130 ? 129 : i)));
    const { imageToText, textToImage } = retrieval({ width, images, texts, imageOfText: Int32Array.from({ length: n * perImage }, (_, j) => j % n) }, [1, 4, 131]);
    expect([imageToText.at.get(1), textToImage.at.get(1)]).toEqual([129 / 131, 129 / 131]);
    // Behind the four of the other come all that tie.
    expect([imageToText.at.get(4), imageToText.at.get(131), textToImage.at.get(131)]).toEqual([129 / 131, 129 / 131, 1]);
  });
});

describe("retrieval of any set", () => {
  const at = [1, 2, 3, 4, 5, 6, 7];

  it("is what sorting all the cosines gives, and grows with k", () => {
    fc.assert(
      fc.property(set, (one) => {
        const { imageToText, textToImage } = retrieval(one, at);
        const cosines = allCosines(one);
        const imageRanks = cosines.map((row, i) => pessimisticRank(row, (j) => one.imageOfText[j] === i));
        const textRanks = Array.from(one.imageOfText, (image, j) => pessimisticRank(cosines.map((row) => row[j] as number), (i) => i === image));
        for (const [recall, ranks] of [[imageToText, imageRanks], [textToImage, textRanks]] as const) {
          expect([...recall.at.values()]).toEqual(at.map((k) => ranks.filter((rank) => rank <= k).length / ranks.length));
          expect([...recall.at.values()]).toEqual([...recall.at.values()].sort((a, b) => a - b));
          expect(recall.medianRank).toBe(ranks.toSorted((a, b) => a - b)[Math.floor((ranks.length - 1) / 2)]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("does not change when rows are scaled", () => {
    fc.assert(
      fc.property(set, fc.integer({ min: -6, max: 6 }), (one, power) => {
        // Powers of two leave unit rows the same to the last bit.
        const scaled = (rows: Float32Array): Float32Array => rows.map((value, k) => value * 2 ** (power + (Math.floor(k / one.width) % 3)));
        expect(retrieval({ ...one, images: scaled(one.images), texts: scaled(one.texts) }, at)).toEqual(retrieval(one, at));
      }),
    );
  });
});

/** The place of the best right answer when answers are sorted by falling cosine, wrong ones first among equals. */
function pessimisticRank(cosines: readonly number[], isRight: (answer: number) => boolean): number {
  const sorted = cosines.map((cosine, answer) => ({ cosine, right: isRight(answer) })).sort((a, b) => b.cosine - a.cosine || Number(a.right) - Number(b.right));
  return sorted.findIndex(({ right }) => right) + 1;
}

function allCosines({ images, texts, width, n, imageOfText }: RetrievalSet & { readonly n: number }): number[][] {
  const unit = (rows: Float32Array, row: number): Float32Array => {
    const own = rows.subarray(row * width, (row + 1) * width);
    const norm = Math.sqrt(own.reduce((sum, value) => sum + value * value, 0)) || 1;
    return own.map((value) => value / norm);
  };
  return Array.from({ length: n }, (_, i) => {
    const x = unit(images, i);
    return Array.from({ length: imageOfText.length }, (_unused, j) => unit(texts, j).reduce((sum, value, k) => sum + value * (x[k] as number), 0));
  });
}
