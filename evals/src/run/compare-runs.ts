import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { EvalError } from "../eval-error.js";
import { escapeHtml, page } from "./html.js";
import { bootstrapInterval, pairedPermutationTest, seededRandom, type Interval } from "./statistics.js";

/** One task in two runs, over the samples that both have. */
export interface Comparison {
  readonly task: string;
  readonly samples: number;
  readonly a: Interval;
  readonly b: Interval;
  /** b - a, of the same samples. */
  readonly difference: Interval;
  /** Of a paired permutation test. */
  readonly p: number;
  /** Settings that the runs do not share, but the model. */
  readonly differs: readonly string[];
}

/** What is read of a run's results.json. */
const runSchema = z.object({
  results: z.record(z.string(), z.record(z.string(), z.number())),
  configs: z.record(z.string(), z.record(z.string(), z.unknown())),
});
const scoredLine = z.object({ id: z.string(), score: z.number() });

/**
 * Compares the samples' scores of two runs: means with bootstrap intervals of 95%, and whether their difference may be
 * chance. Scores are each sample's own (CIDEr, accuracy, ANLS); a figure that is no mean of those, as F1 over all, is in
 * results.json.
 * @throws EvalError `data-missing` for a folder that holds no run; `bad-input` when the two share no sample
 */
export async function compareRuns(a: string, b: string, seed = 0): Promise<readonly Comparison[]> {
  const [first, second] = [await readRun(a), await readRun(b)];
  const shared = Object.keys(first.results).filter((task) => task in second.results);
  if (shared.length === 0) throw new EvalError("bad-input", `eval compare: expected a task that both runs have; ${a} has ${Object.keys(first.results).join(", ")}, ${b} has ${Object.keys(second.results).join(", ")}`);
  return Promise.all(
    shared.map(async (task): Promise<Comparison> => {
      const [scoresA, scoresB] = [await readScores(a, task), await readScores(b, task)];
      const ids = [...scoresA.keys()].filter((id) => scoresB.has(id));
      if (ids.length === 0) throw new EvalError("bad-input", `eval compare: ${task}: the runs share no sample`);
      const values = ids.map((id) => [scoresA.get(id) as number, scoresB.get(id) as number] as const);
      const differences = values.map(([x, y]) => y - x);
      const random = seededRandom(seed);
      const [configA, configB] = [first.configs[task], second.configs[task]];
      const keys = ["prompt", "maxTokens", "dataHash", "baseline", "offset", "limit", "documentFrequency"] as const;
      return {
        task,
        samples: ids.length,
        a: bootstrapInterval(values.map(([x]) => x), random),
        b: bootstrapInterval(values.map(([, y]) => y), random),
        difference: bootstrapInterval(differences, random),
        p: pairedPermutationTest(differences, random),
        differs: keys.filter((key) => JSON.stringify(configA?.[key]) !== JSON.stringify(configB?.[key])),
      };
    }),
  );
}

async function readRun(folder: string): Promise<z.infer<typeof runSchema>> {
  const file = path.join(folder, "results.json");
  try {
    return runSchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (cause) {
    throw new EvalError("data-missing", `eval compare: expected ${file} of a finished run; run eval with --out ${folder} first`, { cause });
  }
}

async function readScores(folder: string, task: string): Promise<ReadonlyMap<string, number>> {
  const file = path.join(folder, `scores_${task}.jsonl`);
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new EvalError("data-missing", `eval compare: expected ${file}; score the run first`, { cause });
  });
  return new Map(text.split("\n").flatMap((line) => (line === "" ? [] : [scoredLine.parse(JSON.parse(line))])).map(({ id, score }) => [id, score]));
}

const interval = ({ mean, low, high }: Interval): string => `${mean.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}]`;
const headings = ["task", "n", "A", "B", "B - A", "p"];
const cells = ({ task, samples, a, b, difference, p }: Comparison): readonly string[] => [task, String(samples), interval(a), interval(b), interval(difference), p.toFixed(4)];

/** The comparison as a Markdown table. */
export function comparisonTable(comparisons: readonly Comparison[]): string {
  const notes = comparisons.filter(({ differs }) => differs.length > 0).map(({ task, differs }) => `- ${task}: the runs differ in ${differs.join(", ")}`);
  return [`| ${headings.join(" | ")} |`, `|${headings.map(() => "---").join("|")}|`, ...comparisons.map((comparison) => `| ${cells(comparison).join(" | ")} |`), ...(notes.length > 0 ? ["", ...notes] : [])].join("\n");
}

/** The comparison as a page. */
export function comparisonPage(a: string, b: string, comparisons: readonly Comparison[]): string {
  const rows = comparisons.map((comparison) => `<tr>${cells(comparison).map((cell) => `<td>${escapeHtml(cell)}</td>`).join("")}</tr>${comparison.differs.length > 0 ? `<tr><td colspan="6" class="muted">differs in ${escapeHtml(comparison.differs.join(", "))}</td></tr>` : ""}`);
  return page("Two runs compared", `<p>A: ${escapeHtml(a)}<br>B: ${escapeHtml(b)}</p><table><tr>${headings.map((heading) => `<th>${heading}</th>`).join("")}</tr>${rows.join("")}</table><p class="muted">Means of the samples' scores with bootstrap intervals of 95%; p of a paired permutation test.</p>`);
}
