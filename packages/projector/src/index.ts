export { projectorFromMmproj } from "./projector-from-mmproj.js";
export { projectorFromCheckpoint } from "./projector-from-checkpoint.js";
export { newProjector, type NewProjector, type NewProjectorOptions } from "./new-projector.js";
export { fieldAt } from "./checkpoint-fields.js";
export type { CheckpointConfig, PatchGrid, Projector, ProjectorOptions, ProjectorParameter } from "./projector-family.js";
export { anyresRows, packAnyresRows, type AnyresRows } from "./anyres-rows.js";
export { pixelShuffle, shuffledGrid } from "./pixel-shuffle.js";
export { ProjectorError } from "./projector-error.js";
