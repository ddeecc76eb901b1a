import { createHash } from "node:crypto";
import { readdir, readFile, realpath } from "node:fs/promises";
import path from "node:path";

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
  ".json": "application/json; charset=utf-8", ".webmanifest": "application/manifest+json; charset=utf-8", ".map": "application/json; charset=utf-8", ".txt": "text/plain; charset=utf-8",
  ".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".avif": "image/avif", ".gif": "image/gif", ".ico": "image/x-icon",
  ".woff2": "font/woff2", ".wasm": "application/wasm",
};

const policy =
  "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/**
 * The files of a built web page. They are listed once, when the server starts; a request is looked up in that list, and no
 * path of a request is ever opened. Links that lead out of the folder are not followed.
 */
export class StaticFiles {
  readonly #files: ReadonlyMap<string, string>;

  private constructor(files: ReadonlyMap<string, string>) {
    this.#files = files;
  }

  /** @throws RangeError when there is no such folder */
  static async open(folder: string): Promise<StaticFiles> {
    let root: string;
    try {
      root = await realpath(folder);
    } catch (cause) {
      throw new RangeError(`startServer: staticDirectory: there is no folder ${folder}; build the page first`, { cause });
    }
    const files = new Map<string, string>();
    for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const file = path.join(entry.parentPath, entry.name);
      const name = path.relative(root, file).split(path.sep);
      // What begins with a dot is not meant for others.
      if (name.some((part) => part.startsWith("."))) continue;
      files.set(`/${name.join("/")}`, file);
    }
    for (const [url, file] of [...files]) if (url.endsWith("/index.html")) files.set(url.slice(0, -"index.html".length), file);
    return new StaticFiles(files);
  }

  /** The file of a URL's path, or undefined. `etag` is what the client has. */
  async respond(pathname: string, etag: string | undefined): Promise<Response | undefined> {
    let name: string;
    try {
      name = decodeURIComponent(pathname);
    } catch {
      return undefined;
    }
    const file = this.#files.get(name);
    if (file === undefined) return undefined;
    const bytes = await readFile(file).catch(() => undefined);
    if (!bytes) return undefined;
    const tag = `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`;
    const headers = {
      "content-type": contentTypes[path.extname(file).toLowerCase()] ?? "application/octet-stream",
      "content-security-policy": policy,
      "referrer-policy": "no-referrer",
      etag: tag,
      // A name with a hash in it never means other bytes.
      "cache-control": /[-.][A-Za-z0-9_-]{8,}\.\w+$/.test(file) && name.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
    };
    if (etag === tag) return new Response(null, { status: 304, headers });
    return new Response(bytes, { headers });
  }
}
