export { pullDataset, pullModel, type PullOptions } from "./pull/pull-model.js";
export type { PulledFile, PulledModel, PullEvent } from "./pull/pull-event.js";
export { findManifest, knownModels } from "./manifest/known-models.js";
export { parseModelManifest, type ManifestDecoder, type ManifestFile, type ManifestText, type ManifestTower, type ModelManifest, type ModelPart } from "./manifest/model-manifest.js";
export { downloadBytes, modelMemory, type ModelMemory } from "./manifest/model-memory.js";
export { HubError, type HubErrorCode } from "./hub-error.js";
export { listModels, type ListedModel, type ListModelsOptions, type ModelList } from "./list-models.js";
export { byteText } from "./byte-text.js";
