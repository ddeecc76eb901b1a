const special = /[.+^${}()|[\]\\]/g;

/**
 * Whether a file of a repository fits a glob: `*` and `?` stay within a folder, `**` crosses folders. Letters' case does not
 * count, since people write quantisations both ways.
 */
export function matchesGlob(glob: string, file: string): boolean {
  const source = glob.replace(special, "\\$&").replace(/\*\*\/|\*\*|\*|\?/g, (wild) => ({ "**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]" })[wild] as string);
  return new RegExp(`^${source}$`, "i").test(file);
}

export function isGlob(text: string): boolean {
  return /[*?]/.test(text);
}
