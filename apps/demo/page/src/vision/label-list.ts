import { limits } from "../settings/settings";

/** Labels as people type them: parted by commas or lines, each once, in the order in which they came. */
export function addLabels(labels: readonly string[], typed: string): readonly string[] {
  const known = new Set(labels.map((label) => label.toLowerCase()));
  const added: string[] = [];
  for (const part of typed.split(/[,\n;]/)) {
    const label = part.replace(/\s+/g, " ").trim().slice(0, limits.label);
    if (label === "" || known.has(label.toLowerCase())) continue;
    known.add(label.toLowerCase());
    added.push(label);
  }
  return [...added, ...labels].slice(0, limits.labels);
}
