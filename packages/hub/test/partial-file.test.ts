import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { PartialFile } from "../src/transfer/partial-file.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sightline-partial-"));
});
afterAll(() => rm(folder, { recursive: true }));

it("a partial file is the blob once every byte came, in whatever order, doubled, and over several runs", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 200 }),
      fc.integer({ min: 1, max: 40 }),
      fc.array(fc.tuple(fc.nat(199), fc.integer({ min: 1, max: 60 }), fc.boolean()), { maxLength: 30 }),
      async (bytes, pieceBytes, arrivals) => {
        const expected = { blob: "a".repeat(40), bytes: bytes.length };
        let partial = await PartialFile.open(folder, expected, pieceBytes);
        for (const [at, length, stop] of arrivals) {
          // What leaves a gap in its piece is not taken; what is taken is right.
          await partial.take(at % bytes.length, bytes.slice(at % bytes.length, (at % bytes.length) + length));
          if (!stop) continue;
          await partial.keep();
          partial = await PartialFile.open(folder, expected, pieceBytes + 7);
        }
        for (let piece = 0; piece < partial.pieces; piece++) {
          const from = partial.pieceStart(piece) + (partial.received[piece] as number);
          await partial.take(from, bytes.subarray(from, partial.pieceStart(piece) + partial.pieceLength(piece)));
        }
        expect(partial.done).toBe(bytes.length);
        const blob = path.join(folder, "blob");
        await partial.publish(blob);
        expect(new Uint8Array(await readFile(blob))).toEqual(bytes);
      },
    ),
    { numRuns: 60 },
  );
});
