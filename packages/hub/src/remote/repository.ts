import { datasetInfo, listFiles, modelInfo } from "@huggingface/hub";
import { HubError } from "../hub-error.js";
import { isSha256 } from "../cache/blob.js";
import { isDataset } from "../cache/cache-folder.js";
import { checkFileName, isCommit } from "../cache/snapshot.js";
import { discard, readText, type HubConnection } from "./hub-connection.js";
import { PassingFailure, withRetries, type RetryOptions } from "./retries.js";

/** A file as the hub lists it. */
export interface ListedFile {
  readonly path: string;
  readonly bytes: number;
  /** SHA-256 of large files, git's hash of others; what the blob is called. */
  readonly blob: string;
}

/** A repository at one commit. */
export interface RemoteRepository {
  /** `owner/name` of a model, `datasets/owner/name` of a data set. */
  readonly repository: string;
  readonly revision: string;
  readonly commit: string;
  readonly files: readonly ListedFile[];
}

/** Where the bytes of a file are to be had. */
export interface FileSource extends ListedFile {
  /** The hub's own address, which the token goes to. */
  readonly url: string;
  /** Where the hub sent us, signed and for a while only; undefined where the hub gives the bytes itself. */
  readonly location: string | undefined;
}

const mostListing = 2 ** 26;
const mostFiles = 100_000;

/**
 * Which commit a revision is at, and the files there.
 * @throws HubError as `HubConnection.send`, `bad-response`
 */
export async function readRepository(connection: HubConnection, repository: string, revision: string, retries: RetryOptions): Promise<RemoteRepository> {
  const { endpoint } = connection.settings;
  const fetch = libraryFetch(connection, retries);
  const about = { revision, hubUrl: endpoint, additionalFields: ["sha"] as const, fetch };
  const info = isDataset(repository) ? datasetInfo({ ...about, name: repository.slice("datasets/".length), additionalFields: ["sha"] }) : modelInfo({ ...about, name: repository, additionalFields: ["sha"] });
  const { sha: commit } = await unwrapped<{ readonly sha?: unknown }>(info, endpoint);
  if (typeof commit !== "string" || !isCommit(commit)) throw new HubError("bad-response", `${endpoint}: expected a commit for ${repository}@${revision}, got ${JSON.stringify(commit)?.slice(0, 80)}; if HF_ENDPOINT is set, check that it is a hub`);
  const files: ListedFile[] = [];
  const listing = async (): Promise<void> => {
    for await (const { type, path, size, oid, lfs } of listFiles({ repo: repository, revision: commit, recursive: true, hubUrl: endpoint, fetch })) {
      if (type !== "file") continue;
      const blob = lfs?.oid ?? oid;
      const bytes = lfs?.size ?? size;
      if (typeof path !== "string" || !isBlobName(blob) || !Number.isSafeInteger(bytes) || bytes < 0) throw new HubError("bad-response", `${endpoint}: expected name, size and hash of a file of ${repository}, got ${JSON.stringify({ path, size, oid }).slice(0, 200)}`);
      checkFileName(path);
      files.push({ path, bytes, blob });
      if (files.length > mostFiles) throw new HubError("bad-response", `${repository} has more than ${mostFiles} files, which is more than is brought here`);
    }
  };
  await unwrapped(listing(), endpoint);
  return { repository, revision, commit, files };
}

/**
 * Asks for the address of a file's bytes, and whether it is the file that was listed.
 * @throws HubError as `HubConnection.send`; `bad-response` when commit, hash or size are not those of the listing
 */
export async function resolveFile(connection: HubConnection, { repository, commit }: Pick<RemoteRepository, "repository" | "commit">, file: ListedFile, retries: RetryOptions): Promise<FileSource> {
  const { endpoint } = connection.settings;
  const url = `${endpoint}/${repository}/resolve/${commit}/${file.path.split("/").map(encodeURIComponent).join("/")}`;
  const response = await withRetries(() => connection.send(url, { method: "HEAD", signal: retries.signal, redirects: "stay" }), retries);
  discard(response.body);
  const changed = (what: string, expected: string | number, got: string | number): HubError =>
    new HubError("bad-response", `${repository}: ${file.path}: the hub listed it with ${what} ${expected} and sends it with ${got}; it may have changed in this moment: run the command again`);
  const at = response.header("x-repo-commit");
  if (at !== undefined && at !== commit) throw changed("commit", commit, at);
  // The bytes are compared with their hash in any case; this finds out before they come. A mirror may have ETags of its own.
  const etag = response.header("x-linked-etag")?.replace(/^W\//, "").replaceAll('"', "");
  if (etag !== undefined && etag !== file.blob && isSha256(etag)) throw changed("hash", file.blob, etag);
  const location = response.header("location");
  const size = response.header("x-linked-size") ?? (location === undefined ? response.header("content-length") : undefined);
  if (size !== undefined && Number(size) !== file.bytes) throw changed("size", file.bytes, size);
  return { ...file, url, location: location === undefined ? undefined : new URL(location, response.url).href };
}

/** The hub's names of blobs are hashes; one becomes a file's name here. */
function isBlobName(blob: unknown): blob is string {
  return typeof blob === "string" && /^[\w-]{1,128}$/.test(blob);
}

/** `fetch` for @huggingface/hub, with our retries, proxies and token. */
function libraryFetch(connection: HubConnection, retries: RetryOptions): typeof fetch {
  return async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const headers = Object.fromEntries(new Headers(init?.headers));
    const body = typeof init?.body === "string" ? init.body : undefined;
    return withRetries(async () => {
      const answer = await connection.send(url, { method: init?.method === "POST" ? "POST" : "GET", headers, body, signal: retries.signal, redirects: "follow" });
      const text = await readText(answer.body, mostListing).catch((cause: unknown) => {
        if (cause instanceof HubError) throw cause;
        throw new PassingFailure(`${new URL(url).host}: the answer broke off`, { cause });
      });
      const more = answer.header("link");
      return new Response(text, { status: answer.status, headers: { "content-type": answer.header("content-type") ?? "application/json", ...(more === undefined ? {} : { link: more }) } });
    }, retries);
  };
}

/** What the library throws over an answer that is no hub's becomes one line. */
async function unwrapped<T>(work: Promise<T>, endpoint: string): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof HubError || (error as Error).name === "AbortError") throw error;
    if (error instanceof SyntaxError || error instanceof TypeError) throw new HubError("bad-response", `${endpoint}: expected the hub's JSON, got something else; if HF_ENDPOINT is set, check that it is a hub`, { cause: error });
    throw error;
  }
}
