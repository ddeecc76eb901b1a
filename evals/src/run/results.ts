import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { packageVersion } from "sightline/cli";
import type { Task } from "../task.js";
import type { TaskOutcome } from "./run-task.js";
import { writeWhole } from "./sample-journal.js";

/** What a run gave; `results.json`. The same settings give the same but for `date`. */
export interface Results {
  readonly results: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly configs: Readonly<Record<string, TaskOutcome["config"]>>;
  readonly versions: Readonly<Record<string, string>>;
  /** By task: samples of the whole set, where that is known, and those that were scored. */
  readonly "n-samples": Readonly<Record<string, { readonly original: number | null; readonly effective: number }>>;
  readonly date: string;
  /** Of the working copy in which the command was run; null outside one. */
  readonly git_hash: string | null;
}

export interface TaskResult {
  readonly task: Task;
  readonly outcome: TaskOutcome;
}

export async function resultsOf(done: readonly TaskResult[]): Promise<Results> {
  const entries = <T>(of: (result: TaskResult) => T): Record<string, T> => Object.fromEntries(done.map((result) => [result.task.name, of(result)]));
  return {
    results: entries(({ outcome }) => outcome.scores?.figures ?? {}),
    configs: entries(({ outcome }) => outcome.config),
    versions: { sightline: packageVersion(), node: process.versions.node, platform: `${process.platform}-${process.arch}` },
    "n-samples": entries(({ task, outcome }) => ({ original: task.data?.size ?? (outcome.config.limit === undefined && outcome.config.offset === 0 ? outcome.answered.length : null), effective: outcome.answered.length })),
    date: new Date().toISOString(),
    git_hash: await gitHash(),
  };
}

async function gitHash(): Promise<string | null> {
  try {
    return (await promisify(execFile)("git", ["rev-parse", "HEAD"])).stdout.trim();
  } catch {
    return null;
  }
}

/** A table of the figures, and under it what they were made with. */
export function markdownTable(results: Results, done: readonly TaskResult[]): string {
  const lines = ["| task | n | figure | value |", "|---|---|---|---|"];
  const notes: string[] = [];
  for (const { task, outcome } of done) {
    const effective = outcome.answered.length;
    for (const [i, [name, value]] of Object.entries(outcome.scores?.figures ?? {}).entries()) lines.push(`| ${i === 0 ? task.name : ""} | ${i === 0 ? effective : ""} | ${name} | ${value.toFixed(4)} |`);
    const { model, baseline, prompt, dataHash } = outcome.config;
    notes.push(`- ${task.name}: ${model.name}${model.precision === "" ? "" : ` (${model.precision})`}${baseline === null ? "" : `, baseline ${baseline}`}; first prompt ${JSON.stringify(prompt)}; data ${dataHash.slice(0, 12)}`);
    if (task.data?.size !== undefined && task.data.size !== effective) notes.push(`  - ${effective} of ${task.data.size} samples: not comparable with published figures${task.kind === "answer" && task.metric.name === "cider" && outcome.config.documentFrequency !== "whole set" ? ", and CIDEr weighs words by the images that are scored" : ""}`);
  }
  return [...lines, "", ...notes, `- ${results.date}, sightline ${results.versions["sightline"]}, git ${results.git_hash ?? "none"}`, ""].join("\n");
}

export async function writeResults(out: string, results: Results, done: readonly TaskResult[]): Promise<void> {
  await writeWhole(path.join(out, "results.json"), `${JSON.stringify(results, null, 2)}\n`);
  await writeWhole(path.join(out, "results.md"), markdownTable(results, done));
}
