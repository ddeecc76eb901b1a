import { HubError } from "./hub-error.js";

/** A model as people name it: `NAME[@REVISION][:CHOICE]`. */
export interface ModelReference {
  /** A manifest's name or `owner/repository`. */
  readonly name: string;
  /** Branch, tag or commit. */
  readonly revision?: string;
  /** A quantisation (`Q4_K_M`), or a glob over the repository's files. */
  readonly choice?: string;
}

const form = /^(?<name>[^@:]+)(?:@(?<revision>[^:]+))?(?::(?<choice>.+))?$/;
/** As the hub names repositories: letters, digits, `-`, `_`, `.`; no name starts with a dot or holds `..` or `--`. */
const repositoryForm = /^[\w-][\w.-]*\/[\w-][\w.-]*$/;

/** Whether a name can be a repository's, `owner/name`. */
export function isRepositoryName(name: string): boolean {
  return repositoryForm.test(name) && !name.includes("..") && !name.includes("--") && name.length <= 96 * 2;
}

/**
 * Reads `NAME[@REVISION][:CHOICE]`.
 * @throws HubError `bad-reference`
 */
export function parseModelReference(text: string): ModelReference {
  const { name, revision, choice } = form.exec(text.trim())?.groups ?? {};
  if (name === undefined) throw new HubError("bad-reference", `parseModelReference: expected NAME[@REVISION][:QUANT], got ${JSON.stringify(text.slice(0, 200))}`);
  if (revision !== undefined) checkRevision(revision);
  return { name, ...(revision === undefined ? {} : { revision }), ...(choice === undefined ? {} : { choice }) };
}

/**
 * A revision becomes a path in the cache's `refs` and a part of a URL.
 * @throws HubError `bad-reference`
 */
export function checkRevision(revision: string): void {
  const safe = /^[\w.][\w./-]*$/.test(revision) && !revision.split("/").some((part) => part === "" || part === "." || part === "..");
  if (!safe) throw new HubError("bad-reference", `expected a branch, a tag or a commit as revision, got ${JSON.stringify(revision.slice(0, 100))}`);
}
