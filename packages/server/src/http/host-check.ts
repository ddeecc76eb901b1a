import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { ApiError } from "../api-error.js";

/**
 * Who may be named in the Host header of a request to a loopback address. A page on the web can give its own name such an
 * address (DNS rebinding) and would then be read as the same origin; its requests still carry its name.
 */
export class HostCheck {
  readonly #names: ReadonlySet<string> | undefined;

  /** @param host where the server listens; anything but a loopback address is reached by names that nobody here knows */
  constructor(host: string, allowed: readonly string[]) {
    this.#names = isLoopback(host) ? new Set([host, ...allowed].map((name) => name.toLowerCase())) : undefined;
  }

  /** Throws ApiError 403 for a name that is not this machine's. */
  check(header: string | undefined): void {
    if (!this.#names) return;
    const name = /^(\[[^\]]*\]|[^:]*)(?::\d+)?$/.exec(header ?? "")?.[1]?.toLowerCase().replace(/^\[|\]$/g, "").replace(/\.$/, "");
    if (name !== undefined && (this.#names.has(name) || isLoopback(name))) return;
    throw new ApiError(403, "this server listens on this machine alone, and does not know the host that the request names; start it with that name allowed", { code: "host_not_allowed" });
  }
}

function isLoopback(name: string): boolean {
  if (isIP(name) !== 0) return ipaddr.process(name).range() === "loopback";
  return name === "localhost" || name.endsWith(".localhost");
}
