import { Readable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { byteLines } from "../../src/embed/byte-lines.js";

async function linesOf(chunks: readonly string[]): Promise<{ text: string; end: number; complete: boolean }[]> {
  const lines: { text: string; end: number; complete: boolean }[] = [];
  for await (const { bytes, end, complete } of byteLines(Readable.from(chunks.map((chunk) => Buffer.from(chunk))))) {
    lines.push({ text: Buffer.from(bytes).toString(), end, complete });
  }
  return lines;
}

describe("byteLines", () => {
  it("cuts at newlines, with where each line ends and whether it does", async () => {
    expect(await linesOf(["a\r\nb", "b\n", "\nc"])).toEqual([
      { text: "a", end: 3, complete: true },
      { text: "bb", end: 6, complete: true },
      { text: "", end: 7, complete: true },
      { text: "c", end: 8, complete: false },
    ]);
  });

  it("gives no line for no bytes", async () => {
    expect(await linesOf([])).toEqual([]);
    expect(await linesOf([""])).toEqual([]);
  });

  it("gives the same lines however the bytes are cut into chunks", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: fc.constantFrom("a", "é", "\n") })), async (chunks) => {
        const whole = chunks.join("");
        const lines = await linesOf(chunks);
        expect(lines.map(({ text, complete }) => (complete ? `${text}\n` : text)).join("")).toBe(whole);
        expect(lines.every(({ text }) => !text.includes("\n"))).toBe(true);
        expect(lines.at(-1)?.end ?? 0).toBe(Buffer.byteLength(whole));
      }),
    );
  });
});
