import { lookup as resolve, type LookupAddress } from "node:dns";
import { isIP } from "node:net";
import { Agent, request } from "undici";
import { ApiError } from "../api-error.js";
import { HostList } from "./host-list.js";
import { tooLarge } from "./inline-image.js";
import { isPublicAddress } from "./public-address.js";

/** What turns a name into addresses; Node's own in use. */
export type Lookup = (hostname: string, options: { readonly all: true }, done: (error: Error | null, addresses: LookupAddress[]) => void) => void;

export interface RemoteImageOptions {
  readonly allowedHosts?: readonly string[];
  readonly localHosts?: readonly string[];
  /** Seconds for one image, redirects included. 10 when left out. */
  readonly seconds?: number;
  readonly lookup?: Lookup;
  /** Which addresses names may lead to; `isPublicAddress` in use. */
  readonly isPublic?: (address: string) => boolean;
  /** PEM of authorities that are trusted instead of Node's. */
  readonly certificateAuthority?: string;
}

const mostRedirects = 3;

const refused = (problem: string, cause?: unknown): ApiError => new ApiError(400, `image: ${problem}`, { code: "image_url_refused", cause });

class PrivateAddressError extends Error {
  override readonly name: string = "PrivateAddressError";
}

/**
 * Fetches images from allowed hosts. A URL is parsed once, by the WHATWG's rules, and it is that parse that is checked and
 * connected to. Names are resolved once a connection, at connecting, and the addresses that were checked are the ones that it
 * goes to. Each redirect is checked as if the client had sent it.
 */
export class RemoteImages implements AsyncDisposable {
  readonly #allowed: HostList;
  readonly #local: HostList;
  readonly #seconds: number;
  readonly #publicOnly: Agent;
  readonly #anywhere: Agent;

  constructor({ allowedHosts = [], localHosts = [], seconds = 10, lookup = resolve as unknown as Lookup, isPublic = isPublicAddress, certificateAuthority }: RemoteImageOptions = {}) {
    this.#allowed = new HostList(allowedHosts);
    this.#local = new HostList(localHosts);
    this.#seconds = seconds;
    const common = { connections: 4, pipelining: 1, maxHeaderSize: 16_384, headersTimeout: seconds * 1000, bodyTimeout: seconds * 1000 };
    const connect = { timeout: seconds * 1000, ...(certificateAuthority === undefined ? {} : { ca: certificateAuthority }) };
    this.#publicOnly = new Agent({ ...common, connect: { ...connect, lookup: publicLookup(lookup, isPublic) as never } });
    this.#anywhere = new Agent({ ...common, connect });
  }

  /**
   * The bytes behind a URL.
   * @throws ApiError 400 for a URL that is not allowed or cannot be fetched, 413 for too many bytes
   */
  async fetch(text: string, { maxBytes, signal }: { readonly maxBytes: number; readonly signal: AbortSignal }): Promise<Uint8Array> {
    if (this.#allowed.empty && this.#local.empty) throw refused("expected a data: URL or base64; this server fetches no URLs, unless it is started with a list of hosts");
    const ends = AbortSignal.any([signal, AbortSignal.timeout(this.#seconds * 1000)]);
    try {
      let url = this.#checked(text);
      for (let hop = 0; hop <= mostRedirects; hop++) {
        const { statusCode, headers, body } = await request(url, { dispatcher: this.#local.has(url) ? this.#anywhere : this.#publicOnly, signal: ends, headers: { accept: "image/*", "user-agent": "sightline" } });
        try {
          const location = headers["location"];
          if ([301, 302, 303, 307, 308].includes(statusCode) && typeof location === "string") {
            url = this.#checked(location, url);
            continue;
          }
          if (statusCode !== 200) throw refused(`the host answered ${statusCode}`);
          if (Number(headers["content-length"] ?? 0) > maxBytes) throw tooLarge(maxBytes);
          return await collect(body, maxBytes);
        } finally {
          // An abandoned body would keep its connection.
          body.on("error", () => {}).destroy();
        }
      }
      throw refused(`more than ${mostRedirects} redirects`);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ApiError) throw error;
      if (causedByPrivateAddress(error)) throw refused("this host is not allowed", error);
      // Which ports answer, and how, is nobody's business.
      throw refused("the URL could not be fetched", error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#publicOnly.destroy(), this.#anywhere.destroy()]);
  }

  #checked(text: string, base?: URL): URL {
    // What one parser takes for a path and another for a host never gets as far as either.
    if (/[\\\s\p{Cc}]/u.test(text)) throw refused("the URL has spaces, backslashes or control characters");
    let url: URL;
    try {
      url = new URL(text, base);
    } catch {
      throw refused("the URL cannot be parsed");
    }
    if (url.username !== "" || url.password !== "") throw refused("the URL has a user name or password");
    if (this.#local.has(url) && (url.protocol === "http:" || url.protocol === "https:")) return url;
    if (url.protocol !== "https:") throw refused("expected an https: URL");
    const host = url.hostname.replace(/^\[|\]$/g, "");
    // An address is connected to without a lookup, so it is checked here.
    if (!this.#allowed.has(url) || (isIP(host) !== 0 && !isPublicAddress(host))) throw refused("this host is not allowed");
    return url;
  }
}

/** A lookup for `net.connect` that gives public addresses or fails: where one of a name's addresses is private, all are refused. */
function publicLookup(lookup: Lookup, isPublic: (address: string) => boolean) {
  return (hostname: string, options: { readonly all?: boolean }, done: (error: Error | null, address?: string | LookupAddress[], family?: number) => void): void => {
    lookup(hostname, { all: true }, (error, addresses) => {
      if (error) return done(error);
      if (addresses.length === 0 || !addresses.every(({ address }) => isPublic(address))) return done(new PrivateAddressError("the name leads to an address that is not public"));
      const [first] = addresses as [LookupAddress];
      return options.all === true ? done(null, addresses) : done(null, first.address, first.family);
    });
  };
}

async function collect(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

function causedByPrivateAddress(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error instanceof PrivateAddressError || causedByPrivateAddress(error.cause) || (error instanceof AggregateError && error.errors.some(causedByPrivateAddress));
}
