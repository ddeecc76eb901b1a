import { HubError } from "../hub-error.js";
import type { HubResponse } from "./hub-connection.js";
import type { HubSettings } from "./hub-settings.js";
import { PassingFailure } from "./retries.js";

/**
 * What a refusal means and what to do about it. The hub says more in `x-error-code`: RepoNotFound, RevisionNotFound,
 * EntryNotFound, GatedRepo, DisabledRepo. It answers 401 for repositories that are not there, so that nobody learns which
 * private ones are.
 */
export function refusal(response: HubResponse, text: string, { token, endpoint }: HubSettings, ofHub: boolean): Error {
  const { status, url } = response;
  const host = new URL(url).host;
  // Signed addresses of the hosts behind the hub run out; the hub gives new ones.
  if (!ofHub) return new PassingFailure(`${host} answered ${status}`);
  const code = response.header("x-error-code") ?? "";
  const message = response.header("x-error-message") ?? text;
  const repository = repositoryOf(url, endpoint);
  const named = repository ?? host;
  const page = repository === undefined ? endpoint : `${endpoint}/${repository}`;
  const login = "get a token with read access at https://huggingface.co/settings/tokens and put it into HF_TOKEN";
  if (code === "GatedRepo" || (status === 403 && /gated|restricted|authorized list/i.test(message))) {
    if (token === undefined) return new HubError("gated", `${named} asks for its terms to be accepted: accept them at ${page}, then ${login}`);
    return new HubError("gated", `${named} asks for its terms to be accepted, and the account of the token (${token.from}) has not, or is still waiting: accept them at ${page}`);
  }
  if (status === 401 && token !== undefined && (code === "" || /credentials|token|expired/i.test(message))) {
    return new HubError("unauthorized", `${host} does not take the token (${token.from}); ${login}, or unset it for public models`);
  }
  if (status === 401 || status === 403) {
    if (status === 403 && token !== undefined) return new HubError("unauthorized", `the token (${token.from}) may not read ${named}; give it that right at https://huggingface.co/settings/tokens`);
    return new HubError("unauthorized", `${named} is not there, or is private; check the name${token === undefined ? `, or ${login}` : `, and that the token (${token.from}) may read it`}`);
  }
  if (code === "EntryNotFound") return new HubError("not-found", `${named} has no such file (${new URL(url).pathname.split("/").at(-1)})`);
  if (code === "RevisionNotFound") return new HubError("not-found", `${named} has no such revision; see its branches at ${page}/tree/main`);
  if (status === 404) return new HubError("not-found", `${named} is not there${token === undefined ? "" : `, or the token (${token.from}) may not see it`}; check the name at ${page}`);
  if (status === 451 || code === "DisabledRepo") return new HubError("not-found", `${named} was taken offline by the hub; see ${page}`);
  return new HubError("bad-response", `${host} answered ${status}${message === "" ? "" : `: ${oneLine(message)}`}`);
}

/** `owner/name` of a URL of the hub. */
function repositoryOf(url: string, endpoint: string): string | undefined {
  const path = url.slice(endpoint.length).split("?", 1)[0] ?? "";
  const [, owner, name] = /^\/(?:api\/models\/)?([^/]+)\/([^/]+)/.exec(path) ?? [];
  return owner !== undefined && name !== undefined ? `${owner}/${name}` : undefined;
}

/** What a server says, without what would move a terminal's cursor. */
function oneLine(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, " ").trim().slice(0, 160);
}
