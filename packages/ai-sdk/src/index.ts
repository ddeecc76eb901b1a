export { createSightline, type SightlineProvider, type SightlineSettings } from "./create-sightline.js";
export type { SightlineCallOptions, SightlinePartOptions } from "./sightline-options.js";
