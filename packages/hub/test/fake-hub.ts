import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A repository on the fake hub: every call of `commit` makes a new commit, as an upload does. */
export interface FakeRepository {
  gated?: boolean;
  private?: boolean;
  commits: { readonly id: string; readonly files: ReadonlyMap<string, Buffer> }[];
}

/** A request as it came, for assertions. */
export interface SeenRequest {
  readonly server: "hub" | "cdn";
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** Answers a request in another way than a hub that works; true when it did. */
export type Misbehaviour = (request: SeenRequest, response: ServerResponse, file?: Buffer) => boolean | Promise<boolean>;

/**
 * A server on loopback that speaks as much of the hub's protocol as a download needs, and a second one on another port that
 * gives the bytes of large files, as the hub's CDN does: an origin of its own, where no token may go.
 */
export class FakeHub implements AsyncDisposable {
  readonly repositories = new Map<string, FakeRepository>();
  readonly seen: SeenRequest[] = [];
  /** Tokens that are taken; others are refused. */
  readonly tokens = new Set(["hf_right"]);
  misbehave: Misbehaviour = () => false;
  /** Files from this size on are LFS files: a redirect and a SHA-256. */
  readonly lfsBytes = 64;
  readonly #hub: Server;
  readonly #cdn: Server;

  private constructor() {
    this.#hub = createServer((request, response) => void this.#answer("hub", request, response));
    this.#cdn = createServer((request, response) => void this.#answer("cdn", request, response));
  }

  static async start(): Promise<FakeHub> {
    const fake = new FakeHub();
    for (const server of [fake.#hub, fake.#cdn]) await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#hub.address() as AddressInfo).port}`;
  }

  get cdnUrl(): string {
    return `http://127.0.0.1:${(this.#cdn.address() as AddressInfo).port}`;
  }

  /** Uploads files over those of the last commit. */
  commit(name: string, files: Readonly<Record<string, Buffer | string>>, options: Pick<FakeRepository, "gated" | "private"> = {}): string {
    const repository = this.repositories.get(name) ?? { commits: [], ...options };
    const all = new Map(repository.commits.at(-1)?.files);
    for (const [path, bytes] of Object.entries(files)) all.set(path, Buffer.from(bytes));
    const id = createHash("sha1").update(`${name} ${repository.commits.length}`).digest("hex");
    repository.commits.push({ id, files: all });
    this.repositories.set(name, repository);
    return id;
  }

  /** Requests for bytes of files, wherever they went. */
  transfers(): readonly SeenRequest[] {
    return this.seen.filter(({ method, path }) => method === "GET" && (path.includes("/resolve/") || path.startsWith("/cdn/")));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [this.#hub, this.#cdn]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  async #answer(server: "hub" | "cdn", request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = decodeURIComponent((request.url ?? "/").split("?", 1)[0] as string);
    const seen = { server, method: request.method ?? "GET", path, range: request.headers.range, authorization: request.headers.authorization };
    this.seen.push(seen);
    response.on("error", () => {});
    if (await this.misbehave(seen, response, this.#fileOf(path))) return;
    const authorized = /^Bearer (.*)$/.exec(seen.authorization ?? "")?.[1];
    if (server === "hub" && authorized !== undefined && !this.tokens.has(authorized)) return refuse(response, 401, undefined, "Invalid credentials in Authorization header");
    const [, kind = "", owner, name] = /^\/(?:api\/models\/|api\/(?=datasets\/)|cdn\/)?(datasets\/)?([^/]+)\/([^/]+)/.exec(path) ?? [];
    const repository = this.repositories.get(`${kind}${owner}/${name}`);
    if (!repository || (server === "hub" && repository.private && authorized === undefined)) {
      return authorized === undefined ? refuse(response, 401, "RepoNotFound", "Invalid username or password.") : refuse(response, 404, "RepoNotFound", "Repository not found");
    }
    const info = /\/revision\/(.+)$/.exec(path)?.[1];
    if (info !== undefined) return this.#info(response, repository, info);
    const [, revision, rest] = /\/(?:tree|resolve)\/([^/]+)\/?(.*)$/.exec(path) ?? [];
    const commit = commitOf(repository, revision ?? "");
    if (path.startsWith("/cdn/")) return sendFile(request, response, this.#fileOf(path) as Buffer, {});
    if (!commit) return refuse(response, 404, "RevisionNotFound", "Invalid rev id");
    if (path.includes("/tree/")) return json(response, this.#listing(commit.files));
    if (repository.gated && authorized === undefined) return refuse(response, 401, "GatedRepo", "Access to this model is restricted. You must be authenticated to access it.");
    if (repository.gated && authorized !== "hf_accepted") return refuse(response, 403, "GatedRepo", "Access to this model is restricted and you are not in the authorized list.");
    const file = commit.files.get(rest ?? "");
    if (!file) return refuse(response, 404, "EntryNotFound", "Entry not found");
    const etag = { etag: `"${blobName(file, this.lfsBytes)}"`, "x-repo-commit": commit.id };
    if (file.length < this.lfsBytes) return sendFile(request, response, file, etag);
    response.writeHead(302, { ...etag, "x-linked-etag": etag.etag, "x-linked-size": String(file.length), location: `${this.cdnUrl}/cdn/${kind}${owner}/${name}/${commit.id}/${encodeURIComponent(rest ?? "")}?signature=x` });
    response.end();
  }

  #info(response: ServerResponse, repository: FakeRepository, revision: string): void {
    const commit = commitOf(repository, revision);
    if (!commit) return refuse(response, 404, "RevisionNotFound", "Invalid rev id");
    json(response, { _id: "x", id: "x", sha: commit.id, private: false, gated: repository.gated ?? false, downloads: 0, likes: 0, lastModified: "2026-01-01T00:00:00.000Z" });
  }

  #listing(files: ReadonlyMap<string, Buffer>): object[] {
    return [...files].map(([path, bytes]) => {
      const oid = gitHash(bytes);
      return bytes.length < this.lfsBytes ? { type: "file", path, size: bytes.length, oid } : { type: "file", path, size: bytes.length, oid, lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 130 } };
    });
  }

  #fileOf(path: string): Buffer | undefined {
    const [, kind = "", owner, name, commit, rest] = /^\/(?:cdn\/)?(datasets\/)?([^/]+)\/([^/]+)\/(?:resolve\/)?([^/]+)\/(.+)$/.exec(path) ?? [];
    const repository = this.repositories.get(`${kind}${owner}/${name}`);
    return repository && commitOf(repository, commit ?? "")?.files.get(rest ?? "");
  }
}

function commitOf({ commits }: FakeRepository, revision: string): FakeRepository["commits"][number] | undefined {
  return revision === "main" || revision === "HEAD" ? commits.at(-1) : commits.find(({ id }) => id === revision || revision === `v${commits.findIndex((one) => one.id === id) + 1}`);
}

function sendFile(request: IncomingMessage, response: ServerResponse, file: Buffer, headers: Record<string, string>): void {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  if (first === undefined) {
    response.writeHead(200, { ...headers, "content-length": file.length });
    response.end(request.method === "HEAD" ? undefined : file);
    return;
  }
  const part = file.subarray(Number(first), Number(last) + 1);
  response.writeHead(206, { ...headers, "content-length": part.length, "content-range": `bytes ${first}-${Number(first) + part.length - 1}/${file.length}` });
  response.end(request.method === "HEAD" ? undefined : part);
}

export function refuse(response: ServerResponse, status: number, code: string | undefined, message: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { ...(code === undefined ? {} : { "x-error-code": code }), "x-error-message": message, "content-type": "application/json", ...headers });
  response.end(JSON.stringify({ error: message }));
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

export function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function gitHash(bytes: Buffer): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

/** What the blob of a file is called in the cache. */
export function blobName(bytes: Buffer, lfsBytes = 64): string {
  return bytes.length < lfsBytes ? gitHash(bytes) : sha256(bytes);
}
