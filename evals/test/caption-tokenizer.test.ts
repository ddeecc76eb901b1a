import { readFileSync } from "node:fs";
import fc from "fast-check";
import { tokenizeCaption } from "@sightline/evals";
import { describe, expect, it } from "vitest";

const punctuation = new Set(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"]);

/** Captions and what Stanford's PTBTokenizer 3.4.1 printed for them (tools/reference/captions). */
const goldens = readFileSync(new URL("goldens/ptb-tokens.tsv", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => line.split("\t") as [string, string?]);

const plain = (text: string): string => text.replaceAll("\u00a0", "~");

describe("tokenizeCaption", () => {
  it("gives Stanford's words for three thousand awkward captions", () => {
    expect(goldens).toHaveLength(3000);
    const different = goldens.flatMap(([caption, tokens = ""], i) => {
      // A lone letter with a dot at a line's end is told by the next line, which a caption alone does not have.
      if (/(?:^|[^A-Za-z])[A-Za-z]\.\s*$/.test(caption) || i === goldens.length - 1) return [];
      const theirs = tokens.split(" ").filter((token) => !punctuation.has(token)).join(" ");
      const ours = tokenizeCaption(caption);
      return ours === theirs ? [] : [{ caption, theirs, ours }];
    });
    expect(different).toEqual([]);
  });

  it.each([
    ["A man can't ride the girls' bike, it's Tom's.", "a man ca n't ride the girls bike it 's tom 's"],
    ["You cannot do that, gonna wanna gotta", "you can not do that gon na wan na got ta"],
    ["Mr. W. at 5 p.m. on t.v.", "mr. w. at 5 p.m. on t.v."],
    ["a “red” bus — ‘blue’ … done", "a red bus blue done"],
    ["a black-and-white T-shirt and/or hat", "a black-and-white t-shirt and/or hat"],
    ["(two) [sic] {x}", "-lrb- two -rrb- -lsb- sic -rsb- -lcb- x -rcb-"],
    ["2 1/2 pizzas, ½ eaten", "2~1/2 pizzas 1/2 eaten"],
    ["$5, €4, £3 and 5¢", "$ 5 $ 4 # 3 and 5 cents"],
    ["wow!! really?! yes!", "wow !! really ?! yes"],
    ["a 🙂 on ❤️ café", "a on ❤ café"],
    ["No. 5 of no. five", "no. 5 of no five"],
    ["555-1234, 10:30 and 24/7", "555-1234 10:30 and 24/7"],
    ["rock 'n' roll in the '80s", "rock 'n' roll in the '80s"],
    ["", ""],
    [" . , ", ""],
  ])("reads %j as %j", (caption, words) => {
    expect(plain(tokenizeCaption(caption))).toBe(words);
  });

  it("never fails, gives no spaces at the ends or in a row, and no capitals", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
        const words = tokenizeCaption(text);
        expect(words).toBe(words.trim());
        expect(words).not.toMatch(/ {2}|[A-Z]/);
      }),
      { numRuns: 2000 },
    );
  });

  it("reads words that spaces part one by one", () => {
    const word = fc.stringMatching(/^[a-z]{2,8}$/).filter((text) => !["cannot", "gonna", "gotta", "wanna", "lemme", "gimme"].includes(text));
    fc.assert(
      fc.property(fc.array(word), (words) => {
        expect(tokenizeCaption(words.join("  "))).toBe(words.join(" "));
      }),
    );
  });

  it.each(["a", "a.", "a,", "1,", "a-", "a/", "a'", ".", "<a ", "<!", "a@", "@", "a.b", "1a.", "www.", "a*", "(", "(5", "5 ", "\u00ad", "é", "&", "#", "http://", "a.com", "<a b=\"", "x\u0301", "a%", "O'", "-5", ":5"])("takes linear time over %j again and again", (piece) => {
    const time = (repeats: number): number => {
      const text = piece.repeat(repeats);
      const started = performance.now();
      tokenizeCaption(text);
      return performance.now() - started;
    };
    time(2000);
    // A quadratic scan of 100,000 characters takes minutes.
    expect(time(Math.floor(100_000 / piece.length))).toBeLessThan(3000);
  });
});
