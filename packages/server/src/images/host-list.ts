/** One entry: a host, or all below one; a port where it is not the scheme's. */
interface Entry {
  readonly host: string;
  readonly below: boolean;
  readonly port: string;
}

/** Hosts that are allowed, by name: "example.com", "*.example.com" (any depth below, not itself), "example.com:8443", "[::1]:80". */
export class HostList {
  readonly #entries: readonly Entry[];

  /** @throws RangeError for an entry that is no host */
  constructor(entries: readonly string[]) {
    this.#entries = entries.map(readEntry);
  }

  get empty(): boolean {
    return this.#entries.length === 0;
  }

  /** Whether the host and port of a URL are listed; the port that its scheme implies needs no mention. */
  has(url: URL): boolean {
    // A trailing dot names the same host.
    const host = url.hostname.toLowerCase().replace(/\.$/, "");
    const usual = url.protocol === "http:" ? "80" : "443";
    const port = url.port || usual;
    return this.#entries.some((entry) => (entry.port || usual) === port && (entry.below ? host.endsWith(`.${entry.host}`) : host === entry.host));
  }
}

function readEntry(text: string): Entry {
  const below = text.startsWith("*.");
  // The same parser as for URLs, so that both spell a host alike.
  const rest = below ? text.slice(2) : text;
  let url: URL;
  try {
    url = new URL(`https://${rest}`);
  } catch (cause) {
    throw new RangeError(`HostList: expected a host such as "example.com", "*.example.com" or "example.com:8443", got ${JSON.stringify(text)}`, { cause });
  }
  if (/[/@?#\\\s]/.test(rest)) throw new RangeError(`HostList: expected a host without scheme or path, got ${JSON.stringify(text)}`);
  const port = /:(\d+)$/.exec(rest)?.[1] ?? "";
  return { host: url.hostname.toLowerCase().replace(/\.$/, ""), below, port };
}
