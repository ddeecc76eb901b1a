import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { namedSources } from "../../src/finetune/named-sources.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sources-"));
  for (const name of ["b.csv", "a.csv", "c.jsonl", "odd[1].csv"]) await writeFile(path.join(folder, name), "image,caption\n");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("namedSources", () => {
  it("takes what is there as it is, expands ranges, and sorts what a pattern matches", async () => {
    const at = (name: string): string => path.join(folder, name);
    expect(await namedSources([at("odd[1].csv"), at("shard-{08..10}.tar"), at("{a,b}.csv"), folder])).toEqual([
      at("odd[1].csv"), at("shard-08.tar"), at("shard-09.tar"), at("shard-10.tar"), at("a.csv"), at("b.csv"), folder,
    ]);
    expect(await namedSources([at("*.jsonl")])).toEqual([at("c.jsonl")]);
  });

  it("refuses a pattern that matches nothing", async () => {
    await expect(namedSources([path.join(folder, "*.parquet")])).rejects.toThrow(/\*\.parquet: the pattern matches nothing; check the path/);
  });
});
