import { describe, expect, it } from "vitest";
import { crc32c, maskedCrc32c } from "../../src/logs/crc32c.js";

/** RFC 3720, B.4, and the check value of the catalogue of CRCs. */
const known: readonly (readonly [name: string, bytes: Uint8Array, crc: number])[] = [
  ["nothing", new Uint8Array(0), 0],
  ["123456789", new TextEncoder().encode("123456789"), 0xe3069283],
  ["32 zeros", new Uint8Array(32), 0x8a9136aa],
  ["32 ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ["32 ascending", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ["32 descending", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
];

describe("crc32c", () => {
  it.each(known)("of %s", (_name, bytes, crc) => {
    expect(crc32c(bytes)).toBe(crc);
  });

  it("is masked by a rotation and a sum", () => {
    // 0xe3069283 turned right by 15 bits is 0x2507c60d.
    expect(maskedCrc32c(new TextEncoder().encode("123456789"))).toBe((0x2507c60d + 0xa282ead8) >>> 0);
    expect(maskedCrc32c(new Uint8Array(0))).toBe(0xa282ead8);
  });
});
