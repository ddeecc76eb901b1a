export { submitRun, shardSizes, type SubmitOptions } from "./submit-run.js";
export { workOnRun, type WorkOptions } from "./work-on-run.js";
export { runStatus, type RunStatus } from "./run-status.js";
export { collectRun, type CollectFormat, type CollectOptions, type CollectSummary } from "./collect-run.js";
export { parseRunManifest, readRunManifest, type BulkTask, type CaptionSettings, type EmbedSettings, type RunManifest, type Shard, type TaskSettings } from "./run-manifest.js";
export type { WorkerSettings } from "./shard-task.js";
export type { WorkerRecord } from "./worker-record.js";
