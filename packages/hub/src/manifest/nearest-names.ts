import { editDistance } from "../edit-distance.js";

/** The known names that are nearest to one, at most three, where they are near enough to have been meant. */
export function nearestNames(name: string, known: readonly string[]): readonly string[] {
  const asked = plain(name);
  if (asked === "") return [];
  const ranked = known
    .map((candidate) => ({ candidate, distance: distanceTo(asked, plain(candidate)) }))
    .filter(({ distance }) => distance <= 0.4)
    .sort((a, b) => a.distance - b.distance || a.candidate.length - b.candidate.length);
  const best = ranked[0]?.distance ?? 0;
  return ranked.filter(({ distance }) => distance <= best + 0.1).slice(0, 3).map(({ candidate }) => candidate);
}

/** Letters and digits only: people write gemma3, Gemma-3 and gemma_3. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9/]/g, "");
}

/** Edits as a share of the longer name; a name that holds the other is near. Owners count only where one is named. */
function distanceTo(asked: string, candidate: string): number {
  const tail = asked.includes("/") ? candidate : candidate.slice(candidate.indexOf("/") + 1);
  const edits = editDistance(asked, tail) / Math.max(asked.length, tail.length);
  return asked.length >= 4 && tail.includes(asked) ? Math.min(edits, 0.1 + (0.2 * (tail.length - asked.length)) / tail.length) : edits;
}
