import type { z } from "zod";
import type { RequestScope } from "./http/request-scope.js";
import type { ServerContext } from "./server-context.js";

/** One path of the API: what serves it, and what the OpenAPI document says of it. */
export interface Endpoint {
  readonly method: "GET" | "POST";
  /** As OpenAPI spells it, with `{id}` for a parameter that takes the rest of the path. Served with and without `/v1`. */
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly request?: z.ZodType;
  /** The schema of a JSON answer; text where there is none. */
  readonly response?: z.ZodType;
  /** Whether it may answer with server-sent events. */
  readonly streams?: boolean;
  /** Needs no key. */
  readonly open?: boolean;
  readonly handle: (call: Call) => Promise<Response>;
}

export interface Call {
  readonly server: ServerContext;
  readonly scope: RequestScope;
  /** What `request` made of the body. */
  readonly body: unknown;
  /** The parameter of the path. */
  readonly parameter: string;
}

/** An endpoint whose body has the type that its schema gives. */
export function postEndpoint<S extends z.ZodType>(endpoint: Omit<Endpoint, "method" | "handle" | "request"> & { readonly request: S; readonly handle: (call: Omit<Call, "body"> & { readonly body: z.output<S> }) => Promise<Response> }): Endpoint {
  return { ...endpoint, method: "POST", handle: (call) => endpoint.handle(call as Call & { body: z.output<S> }) };
}
