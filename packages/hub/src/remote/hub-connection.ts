import { Agent, EnvHttpProxyAgent, request, type Dispatcher } from "undici";
import { HubError } from "../hub-error.js";
import { PassingFailure, retryAfterMs } from "./retries.js";
import { refusal } from "./refusals.js";
import type { HubSettings } from "./hub-settings.js";

export interface HubRequest {
  readonly method: "GET" | "HEAD" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal: AbortSignal;
  /** "stay" gives back a redirect to another host instead of following it. */
  readonly redirects: "follow" | "stay";
}

export interface HubResponse {
  readonly status: number;
  readonly url: string;
  header(name: string): string | undefined;
  /** To be read, or discarded. */
  readonly body: Dispatcher.ResponseData["body"];
}

export interface ConnectionTimes {
  readonly connectMs: number;
  /** Silence after which a transfer counts as broken. */
  readonly silenceMs: number;
}

const usualTimes: ConnectionTimes = { connectMs: 15_000, silenceMs: 30_000 };
const mostRedirects = 8;
const shortBytes = 2 ** 16;
const passing = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * HTTP to the hub and to the hosts that it sends us to. The token goes to the endpoint's own origin and nowhere else:
 * it is put on each request anew, by the URL that the request goes to.
 */
export class HubConnection implements AsyncDisposable {
  readonly settings: HubSettings;
  readonly #origin: string;
  readonly #dispatcher: Dispatcher;

  constructor(settings: HubSettings, times: ConnectionTimes = usualTimes) {
    this.settings = settings;
    this.#origin = new URL(settings.endpoint).origin;
    const options = { connect: { timeout: times.connectMs }, headersTimeout: times.silenceMs, bodyTimeout: times.silenceMs };
    // An empty address keeps undici from looking into the process's own environment.
    this.#dispatcher = settings.proxy ? new EnvHttpProxyAgent({ httpProxy: "", httpsProxy: "", ...settings.proxy, ...options }) : new Agent(options);
  }

  /**
   * Sends a request and follows redirects. A refusal is thrown, so what comes back is 2xx, or a redirect with "stay".
   * @throws HubError for refusals that stay (`not-found`, `unauthorized`, `gated`); PassingFailure for those that may pass
   */
  async send(url: string, { method, headers, body, signal, redirects }: HubRequest): Promise<HubResponse> {
    let at = new URL(url);
    for (let hop = 0; hop <= mostRedirects; hop++) {
      const response = await this.#once(at, method, headers ?? {}, body, signal);
      const location = response.header("location");
      if (response.status >= 300 && response.status < 400 && location !== undefined) {
        const next = nextUrl(at, location);
        if (redirects === "stay" && next.origin !== at.origin) return response;
        discard(response.body);
        at = next;
        continue;
      }
      if (response.status >= 200 && response.status < 300) return response;
      throw await this.#refused(response);
    }
    throw new HubError("bad-response", `${hostOf(url)} redirects more than ${mostRedirects} times; if HF_ENDPOINT is set, check it`);
  }

  async #once(url: URL, method: HubRequest["method"], headers: Readonly<Record<string, string>>, body: string | undefined, signal: AbortSignal): Promise<HubResponse> {
    const { token } = this.settings;
    const authorization: Record<string, string> = token !== undefined && url.origin === this.#origin ? { authorization: `Bearer ${token.value}` } : {};
    try {
      const answer = await request(url, { dispatcher: this.#dispatcher, method, signal, headers: { "user-agent": "sightline", "accept-encoding": "identity", ...headers, ...authorization }, ...(body === undefined ? {} : { body }) });
      const header = (name: string): string | undefined => {
        const value = answer.headers[name];
        return Array.isArray(value) ? value[0] : value;
      };
      // A body that breaks with nobody reading must not end the process.
      answer.body.on("error", () => {});
      return { status: answer.statusCode, url: url.href, header, body: answer.body };
    } catch (cause) {
      signal.throwIfAborted();
      throw new PassingFailure(`${url.host} cannot be reached (${reasonOf(cause)})`, { cause, noAnswer: true });
    }
  }

  async #refused(response: HubResponse): Promise<Error> {
    const { status, url } = response;
    if (passing.has(status)) {
      discard(response.body);
      const what = status === 429 ? "says that there were too many requests (429)" : `answered ${status}`;
      return new PassingFailure(`${hostOf(url)} ${what}`, { retryAfterMs: retryAfterMs(response.header("retry-after")) });
    }
    const text = await readText(response.body, 4096).catch(() => "");
    return refusal(response, text, this.settings, new URL(url).origin === this.#origin);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy();
  }
}

/** Reads a body of at most `most` bytes as text. */
export async function readText(body: HubResponse["body"], most: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += (chunk as Buffer).length;
    if (length > most) {
      discard(body);
      throw new HubError("bad-response", `expected an answer of at most ${most} bytes, got more`);
    }
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Ends a body that nobody wants to read; a short one is read all the same, so that its connection serves the next request. */
export function discard(body: HubResponse["body"]): void {
  void body.dump({ limit: shortBytes }).catch(() => {});
}

function nextUrl(from: URL, location: string): URL {
  const next = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined;
  if (!next || !["http:", "https:"].includes(next.protocol)) throw new HubError("bad-response", `${from.host} redirects to what is no web address`);
  if (from.protocol === "https:" && next.protocol === "http:") throw new HubError("bad-response", `${from.host} redirects from https to http (${next.host}); refused, since anybody could change the bytes`);
  return next;
}

function hostOf(url: string): string {
  return new URL(url).host;
}

/** What went wrong with a connection, in a few words. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : undefined;
  if (first !== undefined && code === undefined) return reasonOf(first);
  const known: Readonly<Record<string, string>> = {
    ENOTFOUND: "no such host, or no network",
    EAI_AGAIN: "no network, or the name server does not answer",
    ECONNREFUSED: "connection refused",
    ECONNRESET: "connection broken",
    UND_ERR_SOCKET: "connection broken",
    UND_ERR_CONNECT_TIMEOUT: "no answer in time",
    UND_ERR_HEADERS_TIMEOUT: "no answer in time",
    UND_ERR_BODY_TIMEOUT: "nothing more came",
    ENETUNREACH: "no network",
  };
  return (typeof code === "string" && known[code]) || (typeof message === "string" && message !== "" ? message.split("\n", 1)[0] as string : String(code ?? "unknown"));
}
