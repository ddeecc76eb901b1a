export { startServer, type RunningServer } from "./start-server.js";
export type { ChatToServe, PullableModel, PullModel, PullProgress, ServerOptions, SiglipToServe } from "./server-options.js";
export type { Limits } from "./limits.js";
export type { ServerLog } from "./log.js";
export { readApiKeys } from "./http/api-keys.js";
export { openApiDocument } from "./open-api.js";
export { hubModels } from "./hub-models.js";
