import { editDistance } from "@sightline/hub/cached";

/** The known name that is fewest edits away, where that is few enough to be a slip. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const [best] = known.map((candidate) => ({ candidate, edits: editDistance(name.toLowerCase(), candidate.toLowerCase()) })).sort((a, b) => a.edits - b.edits);
  return best && best.edits <= Math.max(2, Math.floor(best.candidate.length / 3)) ? best.candidate : undefined;
}
