// The entry "@sightline/hub/cached": what is known and what lies in the cache, without anything that speaks to a network.
export { hubCacheFolder, type Environment } from "./cache/cache-folder.js";
export { cachedCheckpoint, cachedPair, isModelName, type CachedPair } from "./cache/cached-model.js";
export { byteText } from "./byte-text.js";
export { editDistance } from "./edit-distance.js";
export { listModels, type ListedModel, type ListModelsOptions, type ModelList } from "./list-models.js";
export { findManifest, knownModels, suggestion } from "./manifest/known-models.js";
export { HubError, type HubErrorCode } from "./hub-error.js";
