import { linear } from "@sightline/graph";
import { pixelShuffle, shuffledGrid } from "../pixel-shuffle.js";
import { ProjectorError } from "../projector-error.js";
import type { ProjectorFamily } from "../projector-family.js";
import { expectWidth, matrixShape } from "../tensor-shapes.js";

/** Idefics3 and SmolVLM: pixel shuffle, then one linear layer without bias (Laurençon et al. 2024, 2.2). */
export const idefics3: ProjectorFamily = (source) => {
  const key = "clip.vision.projector.scale_factor";
  const factor = source.metadata.get(key);
  if (typeof factor !== "number" || !Number.isInteger(factor) || factor < 1) {
    throw new ProjectorError(`${source.path}: expected ${key} to be a whole number of at least 1, got ${String(factor)}`);
  }
  const [outputWidth, width] = matrixShape(source, "mm.model.fc.weight");
  return {
    type: "idefics3",
    outputWidth,
    tokens(grid) {
      const { rows, columns } = shuffledGrid(grid, factor);
      return rows * columns;
    },
    build(patchTokens, grid, parameter) {
      expectWidth(source, patchTokens, width / (factor * factor));
      return linear(pixelShuffle(patchTokens, grid, factor), parameter("mm.model.fc.weight", [outputWidth, width]));
    },
  };
};
