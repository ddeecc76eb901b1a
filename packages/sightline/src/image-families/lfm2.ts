import { lfm2Plan } from "@sightline/vision-tower";
import { countOf, processorField } from "./facts.js";
import type { ImageFamily } from "./image-family.js";

/** LFM2-VL: a picture near its own shape, or tiles and a thumbnail. */
export const lfm2: ImageFamily = {
  type: "lfm2",
  marker: "<image>",
  planner(facts) {
    const { patchSize, style } = facts;
    const fields = {
      factor: countOf(facts, "clip.vision.projector.scale_factor", "downsample_factor"),
      tile: countOf(facts, undefined, "tile_size"),
      minTiles: countOf(facts, undefined, "min_tiles"),
      maxTiles: countOf(facts, undefined, "max_tiles"),
      minTokens: countOf(facts, undefined, "min_image_tokens"),
      maxTokens: countOf(facts, undefined, "max_image_tokens"),
      tolerance: processorField(facts, "max_pixels_tolerance") as number | undefined,
    };
    const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => typeof value === "number"));
    const splits = processorField(facts, "do_image_splitting") !== false;
    const thumbnail = processorField(facts, "use_thumbnail") !== false;
    return {
      plan: (image, { detail }) => lfm2Plan(image, { ...given, patchSize, preprocessing: style, thumbnail, tiling: detail === "low" ? false : detail === "high" || splits }),
    };
  },
};
