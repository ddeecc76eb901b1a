import type { HttpBindings } from "@hono/node-server";
import { Hono, type Context } from "hono";
import { cors } from "hono/cors";
import { ApiError } from "./api-error.js";
import type { Endpoint } from "./endpoint.js";
import { endpoints } from "./endpoints/endpoints.js";
import { ApiKeys } from "./http/api-keys.js";
import { HostCheck } from "./http/host-check.js";
import { ClientGoneError, RequestScope } from "./http/request-scope.js";
import type { StaticFiles } from "./http/static-files.js";
import { loggedError } from "./log.js";
import type { ServerContext } from "./server-context.js";
import { toApiError } from "./to-api-error.js";

interface Environment {
  Bindings: HttpBindings;
  Variables: { scope: RequestScope; endpoint: string };
}

export interface AppOptions {
  readonly server: ServerContext;
  readonly staticFiles: StaticFiles | undefined;
  readonly openApi: () => object;
  /** No new requests are taken. */
  readonly closing: () => boolean;
  /** Aborts when answers under way must end. */
  readonly ending: AbortSignal;
}

/** The HTTP side: what comes before every endpoint, where each is found, and what becomes of errors. */
export function createApp({ server, staticFiles, openApi, closing, ending }: AppOptions): Hono<Environment> {
  const { settings, log, metrics } = server;
  const hosts = new HostCheck(settings.host, settings.allowedHosts ?? []);
  const keys = new ApiKeys(settings.apiKeys);
  const app = new Hono<Environment>({ strict: false });

  app.use(async (c, next) => {
    const { incoming, outgoing } = c.env;
    const started = performance.now();
    const scope = new RequestScope(incoming, outgoing, { seconds: settings.limits.seconds, closing: ending });
    c.set("scope", scope);
    c.set("endpoint", "unknown");
    void scope.ended.then(() => {
      const gone = scope.signal.reason instanceof ClientGoneError;
      const status = gone ? scope.signal.reason.status : outgoing.statusCode;
      const ms = performance.now() - started;
      metrics.request(c.get("endpoint"), status, ms / 1000);
      log.info({ request: scope.id, method: incoming.method, endpoint: c.get("endpoint"), status, ms: Math.round(ms * 10) / 10, ...scope.facts }, "request");
    });
    await next();
    c.res.headers.set("x-request-id", scope.id);
    c.res.headers.set("x-content-type-options", "nosniff");
    if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-store");
  });
  app.use(async (c, next) => {
    if (closing()) throw new ApiError(503, "the server is closing", { code: "closing", headers: { connection: "close", "retry-after": "5" } });
    hosts.check(c.env.incoming.headers.host);
    await next();
  });
  if (settings.corsOrigins) {
    const origins = settings.corsOrigins;
    app.use(cors({ origin: origins.includes("*") ? "*" : [...origins], exposeHeaders: ["x-request-id", "retry-after"], allowMethods: ["GET", "POST"], maxAge: 600 }));
  }

  const serve = (endpoint: Endpoint) => async (c: Context<Environment>): Promise<Response> => {
    c.set("endpoint", endpoint.path);
    const scope = c.get("scope");
    if (endpoint.open !== true) keys.check(c.env.incoming.headers.authorization);
    const body = endpoint.request ? await server.bodies.read(scope.incoming, endpoint.request, scope.ended) : undefined;
    return endpoint.handle({ server, scope, body, parameter: c.req.param("id") ?? "" });
  };
  const methods = new Map<string, string[]>();
  for (const endpoint of endpoints) {
    for (const prefix of ["", "/v1"]) {
      const path = `${prefix}${endpoint.path.replace("{id}", ":id{.+}")}`;
      app.on([endpoint.method], [path], serve(endpoint));
      methods.set(path, [...(methods.get(path) ?? []), endpoint.method]);
    }
  }
  app.get("/openapi.json", (c) => {
    c.set("endpoint", "/openapi.json");
    keys.check(c.env.incoming.headers.authorization);
    return Response.json(openApi());
  });
  methods.set("/openapi.json", ["GET"]);
  for (const [path, allowed] of methods) {
    app.all(path, () => {
      throw new ApiError(405, `expected ${allowed.join(" or ")}`, { code: "method_not_allowed", headers: { allow: allowed.includes("GET") ? [...allowed, "HEAD"].join(", ") : allowed.join(", ") } });
    });
  }
  app.get("*", async (c) => {
    const file = await staticFiles?.respond(new URL(c.req.url).pathname, c.env.incoming.headers["if-none-match"]);
    if (!file) throw notFound();
    c.set("endpoint", "static");
    return file;
  });
  app.notFound(() => notFound().toResponse());
  app.onError((error, c) => {
    const known = toApiError(error);
    if (known.status === 500) log.error({ request: c.get("scope")?.id, ...loggedError(error) }, "request failed");
    else if (known.code !== undefined) c.get("scope").facts["code"] = known.code;
    return known.toResponse();
  });
  return app;
}

function notFound(): ApiError {
  return new ApiError(404, "there is nothing at this path; /openapi.json lists what there is", { code: "not_found" });
}
