const longest = 80;

/** A name out of a file, fit for one line of an error: quoted, control characters escaped, shortened. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > longest ? `${text.slice(0, longest)}…` : text);
}
