import type { SiglipVisionConfig } from "@sightline/vision-tower";

const base = { width: 768, layers: 12, heads: 12, mlpWidth: 3072, layerNormEps: 1e-6 };
const so400m = { width: 1152, layers: 27, heads: 16, mlpWidth: 4304, layerNormEps: 1e-6 };

/** Towers that benches can be run on, by the published names. */
export const towerVariants: Readonly<Record<string, SiglipVisionConfig>> = {
  "base-patch16-224": { ...base, imageSize: 224, patchSize: 16 },
  "so400m-patch14-224": { ...so400m, imageSize: 224, patchSize: 14 },
  "so400m-patch14-384": { ...so400m, imageSize: 384, patchSize: 14 },
  /** Gemma 3's. */
  "so400m-patch14-896": { ...so400m, imageSize: 896, patchSize: 14 },
};
