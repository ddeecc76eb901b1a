export { pullModel, type PullOptions } from "./pull/pull-model.js";
export type { PulledFile, PulledModel, PullEvent } from "./pull/pull-event.js";
