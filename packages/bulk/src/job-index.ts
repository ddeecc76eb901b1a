import { SightlineError } from "sightline";

/**
 * The shards of a Kubernetes Indexed Job's pod: with index i of n completions, i, i + n, i + 2n, ...; where
 * JOB_COMPLETION_COUNT does not say n, the shard i alone. Undefined where this is no such pod.
 * @throws SightlineError `bad-input` for an index or a count that is none
 */
export function shardsOfJob(environment: Readonly<Record<string, string | undefined>>, shards: number): number[] | undefined {
  const { JOB_COMPLETION_INDEX: index, JOB_COMPLETION_COUNT: count } = environment;
  if (index === undefined || index === "") return undefined;
  const i = wholeOf("JOB_COMPLETION_INDEX", index);
  if (count === undefined || count === "") {
    if (i < shards) return [i];
    throw new SightlineError("bad-input", `bulk work: JOB_COMPLETION_INDEX is ${i}, and the run has ${shards} shards; set the job's completions to ${shards}, or JOB_COMPLETION_COUNT to its completions`);
  }
  const n = wholeOf("JOB_COMPLETION_COUNT", count);
  if (i >= n) throw new SightlineError("bad-input", `bulk work: JOB_COMPLETION_INDEX is ${i}, and must be below JOB_COMPLETION_COUNT, ${n}`);
  return Array.from({ length: Math.max(0, Math.ceil((shards - i) / n)) }, (_, k) => i + k * n);
}

function wholeOf(name: string, text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new SightlineError("bad-input", `bulk work: ${name}: expected a whole number, got ${JSON.stringify(text)}`);
}
