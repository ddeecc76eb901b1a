import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Utf8Stream } from "../src/utf8-stream.js";

/** Cuts bytes at the given places, in any order and number. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...sorted].map((from, index) => bytes.subarray(from, sorted[index] ?? bytes.length));
}

/** The text of bytes that are whole characters, as a vocabulary knows it. */
function wholeText(bytes: Uint8Array): string | undefined {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  return Buffer.from(text).equals(bytes) ? text : undefined;
}

function stream(parts: readonly Uint8Array[]): { pieces: string[]; text: string } {
  const utf8 = new Utf8Stream();
  const pieces = [...parts.map((part) => utf8.push(part, wholeText(part))), utf8.flush()];
  return { pieces, text: pieces.join("") };
}

describe("Utf8Stream", () => {
  it("shows a character when its last byte comes, and nothing before", () => {
    const utf8 = new Utf8Stream();
    expect([0xf0, 0x9f, 0x8d, 0x8e].map((byte) => utf8.push(Uint8Array.of(byte)))).toEqual(["", "", "", "🍎"]);
    expect(utf8.flush()).toBe("");
  });

  it("shows U+FFFD for a byte that can begin no character, and goes on", () => {
    const utf8 = new Utf8Stream();
    expect(utf8.push(Uint8Array.of(0x61, 0xff, 0x62))).toBe("a\ufffdb");
  });

  it("shows U+FFFD at the end for a character that never became whole", () => {
    const utf8 = new Utf8Stream();
    expect(utf8.push(Uint8Array.of(0x61, 0xf0, 0x9f))).toBe("a");
    expect(utf8.flush()).toBe("\ufffd");
  });

  it("closes an unfinished character before a token of whole characters", () => {
    const utf8 = new Utf8Stream();
    expect(utf8.push(Uint8Array.of(0xf0, 0x9f))).toBe("");
    expect(utf8.push(Uint8Array.of(0x61), "a")).toBe("\ufffda");
    expect(utf8.push(Uint8Array.of(0x62), "b")).toBe("b");
  });

  it("keeps a byte order mark", () => {
    expect(new Utf8Stream().push(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe("\ufeffa");
  });

  it("gives back any text, however it is cut, without a U+FFFD on the way", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.array(fc.nat()), (text, places) => {
        const { pieces, text: joined } = stream(cut(new TextEncoder().encode(text), places));
        expect(joined).toBe(text);
        if (!text.includes("\ufffd")) for (const piece of pieces) expect(piece).not.toContain("\ufffd");
      }),
    );
  });

  it("gives for any bytes, however they are cut, what decoding them at once gives", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.array(fc.nat()), (bytes, places) => {
        expect(stream(cut(bytes, places)).text).toBe(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
      }),
    );
  });
});
