import type { Logger } from "pino";
import type { BodyReader } from "./http/read-json.js";
import type { ImageSources } from "./images/request-images.js";
import type { Metrics } from "./metrics.js";
import type { ModelPool } from "./models/model-pool.js";
import type { PullsUnderWay } from "./models/pulls-under-way.js";
import type { ServerSettings } from "./server-options.js";

export interface Startup {
  state: "loading" | "ready" | "failed";
}

/** What every endpoint may use. */
export interface ServerContext {
  readonly settings: ServerSettings;
  readonly models: ModelPool;
  readonly pulls: PullsUnderWay;
  readonly images: ImageSources;
  readonly bodies: BodyReader;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** What became of loading the first model. */
  readonly startup: Readonly<Startup>;
}
