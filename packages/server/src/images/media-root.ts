import { realpath } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ApiError } from "../api-error.js";

const outside = (): ApiError => new ApiError(400, "image: expected a file in the server's media folder; there is none by this name", { code: "image_not_found" });

/** The folder of which requests may name files. Symbolic links that lead out of it lead nowhere. */
export class MediaRoot {
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  /** @throws RangeError when there is no such folder */
  static async open(folder: string): Promise<MediaRoot> {
    try {
      return new MediaRoot(await realpath(folder));
    } catch (cause) {
      throw new RangeError(`startServer: mediaRoot: there is no folder ${folder}`, { cause });
    }
  }

  /**
   * The real path of a file that a request names, as a `file://` URL or a path.
   * @throws ApiError 400 when it is not below the folder; the same whether it is missing or elsewhere, so that nobody learns
   *   what lies outside
   */
  async find(named: string): Promise<string> {
    if (named.includes("\0")) throw outside();
    const found = await realpath(path.resolve(this.#root, pathOf(named))).catch(() => undefined);
    if (found === undefined || !found.startsWith(this.#root + path.sep)) throw outside();
    return found;
  }
}

function pathOf(named: string): string {
  if (!/^file:/i.test(named)) return named;
  try {
    // "file://pictures/cat.png" has a host by the standard; people mean a path in the folder.
    const relative = /^file:\/\/(?!\/)([^?#]*)$/i.exec(named)?.[1];
    return relative === undefined ? fileURLToPath(named) : decodeURIComponent(relative);
  } catch (cause) {
    throw new ApiError(400, "image: expected a file:// URL of a local file", { code: "image_bad_source", cause });
  }
}
