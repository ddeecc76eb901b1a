export { projectorFromMmproj } from "./projector-from-mmproj.js";
export type { PatchGrid, Projector, ProjectorOptions, ProjectorParameter } from "./projector-family.js";
export { pixelShuffle, shuffledGrid } from "./pixel-shuffle.js";
export { ProjectorError } from "./projector-error.js";
