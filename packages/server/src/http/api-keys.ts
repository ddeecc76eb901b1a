import { createHash, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import { ApiError } from "../api-error.js";

/**
 * The keys of a file, one a line; blank lines and those that begin with # count for nothing.
 * @throws RangeError when it cannot be read or holds no key
 */
export async function readApiKeys(file: string): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw new RangeError(`readApiKeys: ${file}: the file cannot be read; check the path`, { cause });
  }
  const keys = text.replace(/^\ufeff/, "").split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
  if (keys.length === 0) throw new RangeError(`readApiKeys: ${file}: expected at least one key, on a line of its own`);
  return keys;
}

/** Whose requests are answered. Only hashes are kept, and all are compared, so that time tells nothing. */
export class ApiKeys {
  readonly #hashes: readonly Buffer[];

  constructor(keys: readonly string[] | undefined) {
    this.#hashes = (keys ?? []).map(hash);
  }

  /**
   * @param authorization the header, "Bearer <key>"
   * @throws ApiError 401 without a key that is known, where keys are asked for
   */
  check(authorization: string | undefined): void {
    if (this.#hashes.length === 0) return;
    const given = hash(/^Bearer\s+(\S+)\s*$/i.exec(authorization ?? "")?.[1] ?? "");
    let known = false;
    for (const one of this.#hashes) known = timingSafeEqual(one, given) || known;
    if (!known) throw new ApiError(401, "expected the header Authorization: Bearer with a key that this server knows", { code: "invalid_api_key", headers: { "www-authenticate": "Bearer" } });
  }
}

function hash(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
