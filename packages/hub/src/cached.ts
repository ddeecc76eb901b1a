// The entry "@sightline/hub/cached": what is known and what lies in the cache, without anything that speaks to a network.
export { hubCacheFolder, type Environment } from "./cache/cache-folder.js";
export { cachedCheckpoint, cachedPair, isModelName, type CachedPair } from "./cache/cached-model.js";
export { findManifest, knownModels, suggestion } from "./manifest/known-models.js";
export { HubError, type HubErrorCode } from "./hub-error.js";
