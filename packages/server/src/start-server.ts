import { once, setMaxListeners } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { blockUnusedImageLoaders } from "sightline";
import { ApiError } from "./api-error.js";
import { createApp } from "./app.js";
import { OpenConnections } from "./http/open-connections.js";
import { BodyReader } from "./http/read-json.js";
import { StaticFiles } from "./http/static-files.js";
import { MediaRoot } from "./images/media-root.js";
import { RemoteImages } from "./images/remote-images.js";
import { createLog } from "./log.js";
import { Metrics } from "./metrics.js";
import { ModelPool } from "./models/model-pool.js";
import { PullsUnderWay } from "./models/pulls-under-way.js";
import { openApiDocument } from "./open-api.js";
import { parseServerOptions, type ServerOptions } from "./server-options.js";
import type { ServerContext, Startup } from "./server-context.js";

/** For the headers of a request to arrive. */
const headersMs = 15_000;

/** A server that listens. */
export interface RunningServer extends AsyncDisposable {
  /** As in "http://127.0.0.1:8080". */
  readonly url: string;
  /** Settles when the first model is loaded, or cannot be. Never an unhandled rejection. */
  readonly ready: Promise<void>;
  /**
   * Takes no new requests, lets answers under way end, for `limits.closeSeconds` at most, and frees the models. A second call
   * waits for the same end.
   */
  readonly close: () => Promise<void>;
}

/**
 * Serves models over HTTP as OpenAI's API does. It resolves when the server listens; the first model loads meanwhile, and
 * `/health` says when it has.
 *
 * Images are decoded by this process alone: libvips' other loaders are turned off in it, for every user of sharp.
 * @throws RangeError for an option that cannot be used; SightlineError, WeightsError or ConfigError for files that are no model;
 *   the system's error when the address is taken
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const settings = parseServerOptions(options);
  const log = createLog(settings.log);
  const remote = new RemoteImages({ ...(settings.allowedImageHosts ? { allowedHosts: settings.allowedImageHosts } : {}), ...(settings.localImageHosts ? { localHosts: settings.localImageHosts } : {}) });
  const media = settings.mediaRoot === undefined ? undefined : await MediaRoot.open(settings.mediaRoot);
  const staticFiles = settings.staticDirectory === undefined ? undefined : await StaticFiles.open(settings.staticDirectory);
  blockUnusedImageLoaders();
  const models = new ModelPool(settings, log);
  let listening: Server | undefined;
  try {
    for (const chat of settings.models) await models.addChat(chat);
    for (const siglip of settings.siglip) await models.addSiglip(siglip);
    const startup: Startup = { state: "loading" };
    const server: ServerContext = { settings, models, pulls: new PullsUnderWay(settings, models), images: { media, remote }, bodies: new BodyReader(settings.limits), metrics: new Metrics(() => models), log, startup };
    const ending = new AbortController();
    // Every request under way listens.
    setMaxListeners(0, ending.signal);
    let closing = false;
    const app = createApp({ server, staticFiles, openApi: openApiDocument, closing: () => closing, ending: ending.signal });
    const http = (listening = createAdaptorServer({ fetch: app.fetch, hostname: settings.host, overrideGlobalObjects: false, serverOptions: { requestTimeout: settings.limits.bodySeconds * 1000 + headersMs, headersTimeout: headersMs, keepAliveTimeout: 15_000 } }) as Server);
    const connections = new OpenConnections(http);
    // Who does not read an answer keeps it in memory no longer than this.
    http.setTimeout((settings.limits.seconds + 30) * 1000);
    http.listen(settings.port, settings.host);
    await once(http, "listening").catch((cause: unknown) => {
      throw new Error(`startServer: cannot listen at ${settings.host}, port ${settings.port} (${(cause as NodeJS.ErrnoException).code}); choose another, or 0 for any that is free`, { cause });
    });
    const url = urlOf(http.address() as AddressInfo);
    log.info({ url, models: models.all().map(({ name }) => name) }, "listening");
    const first = models.all()[0];
    const ready = (first ? models.preload(first) : Promise.resolve()).then(
      () => void (startup.state = "ready"),
      (error: unknown) => {
        startup.state = "failed";
        throw error;
      },
    );
    ready.catch(() => {});
    const close = async (): Promise<void> => {
      closing = true;
      log.info("closing");
      const closed = new Promise<void>((resolve) => http.close(() => resolve()));
      connections.endIdle();
      // One that falls idle would be kept for the client's next request.
      const sweep = setInterval(() => connections.endIdle(), 20);
      const late = setTimeout(() => ending.abort(new ApiError(503, "the server is closing", { code: "closing" })), settings.limits.closeSeconds * 1000);
      const never = setTimeout(() => http.closeAllConnections(), settings.limits.closeSeconds * 1000 + 5000);
      await closed;
      for (const timer of [sweep, late, never]) clearTimeout(timer);
      await models.close();
      await remote[Symbol.asyncDispose]();
      log.info("closed");
    };
    let closed: Promise<void> | undefined;
    const closeOnce = (): Promise<void> => (closed ??= close());
    return { url, ready, close: closeOnce, [Symbol.asyncDispose]: closeOnce };
  } catch (error) {
    listening?.close();
    await models.close();
    await remote[Symbol.asyncDispose]();
    throw error;
  }
}

function urlOf({ address, port, family }: AddressInfo): string {
  const host = family === "IPv6" ? `[${address}]` : address;
  return `http://${host}:${port}`;
}
