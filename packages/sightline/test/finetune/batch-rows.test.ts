import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BatchRows } from "../../src/finetune/batch-rows.js";

describe("BatchRows", () => {
  it("gives the same rows from memory and from a file, which leaves no name behind", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 5, maxLength: 5 }), { minLength: 1, maxLength: 12 }), fc.boolean(), async (rows, inMemory) => {
        await using stored = await BatchRows.create(rows.length, 5, inMemory ? 1e6 : 0);
        for (const [i, row] of [...rows.entries()].reverse()) await stored.write(i, row);
        const from = Math.floor(rows.length / 3);
        expect([...(await stored.read(from, rows.length))]).toEqual(rows.slice(from).flatMap((row) => [...row]));
      }),
      { numRuns: 40 },
    );
    expect((await readdir(tmpdir())).filter((name) => name.startsWith("sightline-unnamed-"))).toEqual([]);
  });
});
