import type { IncomingMessage } from "node:http";
import type { z } from "zod";
import { ApiError } from "../api-error.js";
import type { Limits } from "../limits.js";
import { schemaError } from "./schema-error.js";

const tooLarge = (limit: number): ApiError =>
  new ApiError(413, `expected a body of at most ${limit} bytes, got more`, { code: "body_too_large", headers: { connection: "close" } });

/** Reads bodies, each within its budget and all within theirs. */
export class BodyReader {
  readonly #limits: Limits;
  #held = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Bytes of bodies that are being read or worked on. */
  get heldBytes(): number {
    return this.#held;
  }

  /**
   * The JSON body of a request, as a schema wants it. Its bytes count as held until `released`.
   * @throws ApiError 400, 408, 413, 415, 429
   */
  async read<S extends z.ZodType>(incoming: IncomingMessage, schema: S, released: Promise<unknown>): Promise<z.output<S>> {
    const type = incoming.headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
    if (!/^application\/(?:[\w.-]+\+)?json$/.test(type)) throw new ApiError(415, 'expected a body of type "application/json"', { code: "unsupported_media_type", headers: { connection: "close" } });
    const encoding = incoming.headers["content-encoding"];
    // A few bytes could become gigabytes.
    if (encoding !== undefined && encoding !== "identity") throw new ApiError(415, "expected a body without content-encoding", { code: "unsupported_content_encoding", headers: { connection: "close" } });
    const bytes = await this.#collect(incoming, released);
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch {
      throw new ApiError(400, "expected a body of valid JSON in UTF-8", { code: "invalid_json" });
    }
    const parsed = schema.safeParse(value);
    if (!parsed.success) throw schemaError(parsed.error);
    return parsed.data;
  }

  #collect(incoming: IncomingMessage, released: Promise<unknown>): Promise<Buffer> {
    const { bodyBytes, totalBodyBytes, bodySeconds } = this.#limits;
    if (Number(incoming.headers["content-length"] ?? 0) > bodyBytes) return Promise.reject(tooLarge(bodyBytes));
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let length = 0;
      void released.finally(() => (this.#held -= length));
      const end = (result: Buffer | ApiError): void => {
        clearTimeout(late);
        incoming.off("data", data).off("end", done).off("close", gone);
        if (result instanceof ApiError) {
          incoming.pause();
          chunks.length = 0;
          reject(result);
        } else resolve(result);
      };
      const data = (chunk: Buffer): void => {
        length += chunk.length;
        this.#held += chunk.length;
        if (length > bodyBytes) end(tooLarge(bodyBytes));
        else if (this.#held > totalBodyBytes) end(new ApiError(429, "the server holds as many bytes of requests as it may; ask again later", { code: "bodies_full", headers: { "retry-after": "1", connection: "close" } }));
        else chunks.push(chunk);
      };
      const done = (): void => end(Buffer.concat(chunks, length));
      const gone = (): void => end(new ApiError(400, "the body ended early", { code: "invalid_body" }));
      const late = setTimeout(() => end(new ApiError(408, `expected the body within ${bodySeconds} seconds`, { code: "body_timeout", headers: { connection: "close" } })), bodySeconds * 1000);
      incoming.on("data", data).on("end", done).on("close", gone).on("error", gone);
    });
  }
}
