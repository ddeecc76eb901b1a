import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readCsvPairs, TrainingError, type BadPair, type ImageTextPair } from "../../src/index.js";

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(path.join(tmpdir(), "csv-"))));
afterAll(() => rm(folder, { recursive: true, force: true }));

async function pairsOf(name: string, text: string): Promise<{ readonly pairs: ImageTextPair[]; readonly bad: BadPair[] }> {
  const file = path.join(folder, name);
  await writeFile(file, text);
  const [pairs, bad]: [ImageTextPair[], BadPair[]] = [[], []];
  for await (const pair of readCsvPairs(file, { onBad: (one) => void bad.push(one) })) pairs.push(pair);
  return { pairs, bad };
}

describe("readCsvPairs", () => {
  it("reads commas, semicolons and tabs, quotes, a byte order mark and Windows' line ends", async () => {
    const expected = [{ id: "1", image: path.join(folder, "a.png"), captions: ['a "red", old bus'] }];
    expect((await pairsOf("a.csv", '\uFEFFid,image,caption\r\n1,a.png,"a ""red"", old bus"\r\n')).pairs).toEqual(expected);
    expect((await pairsOf("b.csv", 'id;image;caption\n1;a.png;"a ""red"", old bus"\n')).pairs).toEqual(expected);
    expect((await pairsOf("c.tsv", 'id\timage\tcaption\n1\ta.png\t"a ""red"", old bus"\n')).pairs).toEqual(expected);
  });

  it("tells rows that are none, and goes on", async () => {
    const { pairs, bad } = await pairsOf("d.csv", "image,caption\na.png,one\nb.png\nc.png,three\n,four\n");
    expect(pairs.map(({ captions }) => captions[0])).toEqual(["one", "three"]);
    expect(bad).toEqual([
      { id: "d.csv:3", reason: "another number of columns than the first row" },
      { id: "d.csv:5", reason: "no image" },
    ]);
  });

  it("refuses a file that is not there", async () => {
    const reading = readCsvPairs(path.join(folder, "gone.csv"), { onBad: () => undefined });
    await expect(reading.next()).rejects.toThrow(TrainingError);
    await expect(readCsvPairs(path.join(folder, "gone.csv"), { onBad: () => undefined }).next()).rejects.toThrow(/gone\.csv: ENOENT/);
  });

  it("gives back any caption that was quoted", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: "binary", minLength: 1 }).filter((text) => text.trim() !== ""), { minLength: 1, maxLength: 5 }), async (captions) => {
        const quoted = captions.map((caption, i) => `${i}.png,"${caption.replaceAll('"', '""')}"`);
        const { pairs, bad } = await pairsOf("property.csv", `image,caption\n${quoted.join("\n")}\n`);
        expect(bad).toEqual([]);
        expect(pairs.map((pair) => pair.captions[0])).toEqual(captions.map((caption) => Buffer.from(caption).toString().trim()));
      }),
      { numRuns: 60 },
    );
  });
});
