import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { writeBaseModels, type BaseModel } from "./base-models.js";
import { LoadingChild, type LoadOutcome } from "./child-pool.js";
import { mutate } from "./mutations.js";

/** How many mutants, and of which seed on; CONTRIBUTING.md names the full run. */
const cases = Number(process.env["SIGHTLINE_MUTANTS"] ?? 300);
const firstSeed = Number(process.env["SIGHTLINE_MUTANTS_FROM"] ?? 0);
const children = 2;
/** Nothing that is loaded here is larger than some megabytes. */
const mostMemoryMb = 1500;

let folder: string;
let bases: BaseModel[];
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "mutated-models-"));
  bases = await writeBaseModels(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const request = (base: BaseModel, file: string): Parameters<LoadingChild["load"]>[0] => ({ kind: base.kind, file, ...(base.decoder === undefined ? {} : { decoder: base.decoder }), ...(base.width === undefined ? {} : { width: base.width }) });

it("the models that are mutated load as they are", async () => {
  await using child = new LoadingChild();
  for (const base of bases) expect({ name: base.name, ...(await child.load(request(base, base.file))) }).toMatchObject({ name: base.name, outcome: "works" });
});

it(`${cases} mutants load or are refused by name, and no process dies`, { timeout: 60_000 + cases * 1000 }, async () => {
  const whole = new Map(await Promise.all(bases.map(async ({ name, file }) => [name, await readFile(file)] as const)));
  const outcomes = new Map<string, number>();
  const failures: string[] = [];
  let next = firstSeed;
  const note = (base: BaseModel, seed: number, how: string, { outcome, code, complaint, maxRssMb = 0 }: LoadOutcome): void => {
    const ending = `${base.kind} ${outcome}${code === undefined ? "" : ` ${code}`}`;
    outcomes.set(ending, (outcomes.get(ending) ?? 0) + 1);
    const greedy = maxRssMb > mostMemoryMb ? `took ${maxRssMb} MB` : undefined;
    if (complaint !== undefined || greedy !== undefined) failures.push(`seed ${seed}, ${base.name}, ${how}: ${complaint ?? greedy}`);
  };
  await Promise.all(
    Array.from({ length: children }, async () => {
      await using child = new LoadingChild();
      while (next < firstSeed + cases) {
        const seed = next++;
        const base = bases[seed % bases.length] as BaseModel;
        const { bytes, how } = mutate(whole.get(base.name) as Buffer, seed);
        const file = path.join(folder, `mutant-${seed}.gguf`);
        await writeFile(file, bytes);
        note(base, seed, how, await child.load(request(base, file)));
        await rm(file);
      }
    }),
  );
  if (process.env["SIGHTLINE_MUTANTS"] !== undefined) console.log(Object.fromEntries([...outcomes].toSorted()));
  if (process.env["SIGHTLINE_MUTANTS_REPORT"] !== undefined) await writeFile(process.env["SIGHTLINE_MUTANTS_REPORT"], failures.join("\n"));
  expect(failures).toEqual([]);
  // Mutants that all fail alike would test one check only.
  if (cases >= 300) for (const ending of ["decoder works", "mmproj works", "decoder DecoderError bad-model-file", "decoder WeightsError", "mmproj WeightsError"]) expect(outcomes.get(ending), ending).toBeGreaterThan(0);
});
