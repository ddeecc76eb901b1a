import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { startServer, type RunningServer, type ServerOptions } from "@sightline/server";

export const examples: string = fileURLToPath(new URL("../../../examples/", import.meta.url));

/** An airplane, a hamburger and a sailboat. */
export const scene: Buffer = await readFile(`${examples}scene.png`);
export const sceneUrl: string = `data:image/png;base64,${scene.toString("base64")}`;
export const question = "What do you see?";
/** What mini says of the scene. */
export const answer = "I see an airplane, a hamburger and a sailboat.";

/** A real server on mini and its SigLIP, at a port that is free, once it is ready. */
export async function miniServer(options: ServerOptions = {}): Promise<RunningServer> {
  const server = await startServer({ port: 0, models: [{ name: "mini", path: "mini" }], siglip: [{ name: "mini-siglip", path: "mini" }], ...options });
  await server.ready;
  return server;
}

interface Token {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
  readonly top_logprobs: readonly Token[];
}

/** The fields of all answers that tests look at; each answer has some of them. */
export interface AnyAnswer {
  readonly error: { readonly message: string; readonly type: string; readonly param: string | null; readonly code: string };
  readonly model: string;
  readonly choices: readonly [{ readonly message: { readonly content: string }; readonly delta: { readonly role?: string; readonly content?: string }; readonly finish_reason: string | null; readonly logprobs: { readonly content: readonly Token[] } }];
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number; readonly total_tokens: number; readonly prompt_tokens_details: { readonly cached_tokens: number; readonly image_tokens: number } };
  readonly timings: { readonly cache_n: number; readonly prompt_n: number; readonly encode_ms: number };
  readonly tags: readonly [{ readonly label: string; readonly probability: number }];
  readonly none_of_the_above: boolean;
  readonly probability: number;
  readonly grid: { readonly rows: number; readonly columns: number; readonly values: readonly number[] };
}

/** GET /v1/models. */
export interface ModelList {
  readonly data: readonly { readonly id: string; readonly status: string }[];
}

export interface Answered<T = AnyAnswer> {
  readonly status: number;
  readonly headers: Headers;
  readonly json: T;
}

/** Posts JSON and reads JSON. */
export async function post<T = AnyAnswer>(server: { readonly url: string }, path: string, body: unknown, init: RequestInit = {}): Promise<Answered<T>> {
  const response = await fetch(`${server.url}${path}`, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body), ...init, headers: { "content-type": "application/json", ...(init.headers as Record<string, string>) } });
  return { status: response.status, headers: response.headers, json: (await response.json()) as T };
}

/** The events of a stream, in their order. */
export async function events(server: { readonly url: string }, path: string, body: unknown): Promise<{ readonly event: string | undefined; readonly data: string }[]> {
  const response = await fetch(`${server.url}${path}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  if (response.status !== 200) throw new Error(`${path}: ${response.status}: ${await response.text()}`);
  return (await response.text())
    .split("\n\n")
    .filter((block) => block !== "")
    .map((block) => {
      const field = (name: string): string | undefined => block.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      return { event: field("event"), data: field("data") ?? "" };
    });
}

/** A user's message about the scene. */
export function aboutScene(text: string = question, url: string = sceneUrl): object {
  return { role: "user", content: [{ type: "image_url", image_url: { url } }, { type: "text", text }] };
}
