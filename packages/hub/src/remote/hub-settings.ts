import { readFile } from "node:fs/promises";
import path from "node:path";
import { expanded, hubHome, type Environment } from "../cache/cache-folder.js";
import { HubError } from "../hub-error.js";

/** A token and where it came from, for messages, which never hold the token itself. */
export interface HubToken {
  readonly value: string;
  readonly from: string;
}

/** Proxies for addresses of either kind, and the hosts that are reached without. */
export interface HubProxy {
  readonly httpProxy?: string;
  readonly httpsProxy?: string;
  readonly noProxy: string;
}

/** How the hub is reached. */
export interface HubSettings {
  /** `https://huggingface.co`, or a mirror; no slash at the end. */
  readonly endpoint: string;
  readonly token: HubToken | undefined;
  readonly offline: boolean;
  /** What the environment names; undefined where it names none. */
  readonly proxy: HubProxy | undefined;
}

const truths = new Set(["1", "on", "yes", "true"]);

/**
 * Reads the variables that huggingface_hub reads: `HF_ENDPOINT`, `HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN`, the token's file
 * (`HF_TOKEN_PATH` or `HF_HOME/token`), `HF_HUB_DISABLE_IMPLICIT_TOKEN`, `HF_HUB_OFFLINE`, `TRANSFORMERS_OFFLINE`; and
 * `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` in either case. What is given as an option goes before them.
 * @throws HubError `bad-settings` for an endpoint or a proxy that is no http(s) URL, or a token that no header can hold
 */
export async function readHubSettings(environment: Environment, { endpoint, token }: { readonly endpoint?: string; readonly token?: string } = {}): Promise<HubSettings> {
  const is = (name: string): boolean => truths.has((environment[name] ?? "").toLowerCase());
  return {
    endpoint: endpointOf(endpoint ?? (environment["HF_ENDPOINT"] || "https://huggingface.co")),
    token: token !== undefined ? { value: checkToken(token, "the token option"), from: "the token option" } : is("HF_HUB_DISABLE_IMPLICIT_TOKEN") ? undefined : await readToken(environment),
    offline: is("HF_HUB_OFFLINE") || is("TRANSFORMERS_OFFLINE"),
    proxy: proxyOf(environment),
  };
}

function endpointOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !["http:", "https:"].includes(url.protocol)) throw new HubError("bad-settings", `HF_ENDPOINT: expected a URL like https://huggingface.co, got ${JSON.stringify(text.slice(0, 100))}`);
  if (url.username !== "" || url.password !== "") throw new HubError("bad-settings", "HF_ENDPOINT: expected a URL without a user and a password; a token goes into HF_TOKEN");
  return url.href.replace(/\/+$/, "");
}

function proxyOf(environment: Environment): HubProxy | undefined {
  const either = (name: string): string => environment[name] || environment[name.toUpperCase()] || "";
  const [http, https] = ["http_proxy", "https_proxy"].map((name) => {
    const value = either(name);
    if (value === "") return undefined;
    const url = URL.canParse(value) ? new URL(value) : undefined;
    // The address may hold a password, so it is not repeated.
    if (!url || !["http:", "https:"].includes(url.protocol)) throw new HubError("bad-settings", `${name.toUpperCase()}: expected a proxy's URL, like http://proxy:8080`);
    return value;
  });
  if (http === undefined && https === undefined) return undefined;
  return { ...(http === undefined ? {} : { httpProxy: http }), ...(https === undefined ? {} : { httpsProxy: https }), noProxy: either("no_proxy") };
}

async function readToken(environment: Environment): Promise<HubToken | undefined> {
  for (const name of ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]) {
    const value = cleaned(environment[name]);
    if (value !== undefined) return { value: checkToken(value, name), from: name };
  }
  const file = environment["HF_TOKEN_PATH"] ? expanded(environment["HF_TOKEN_PATH"]) : path.join(hubHome(environment), "token");
  const value = cleaned(await readFile(file, "utf8").catch(() => ""));
  return value === undefined ? undefined : { value: checkToken(value, file), from: file };
}

function cleaned(text: string | undefined): string | undefined {
  return text?.replace(/[\r\n]/g, "").trim() || undefined;
}

/** A header takes no other characters, and an error of the HTTP library would print what it was given. */
function checkToken(value: string, from: string): string {
  if (!/^[\u0021-\u007e]+$/.test(value)) throw new HubError("bad-settings", `${from}: expected a token of letters and digits (hf_...), got other characters; copy it again from https://huggingface.co/settings/tokens`);
  return value;
}
