import { linear } from "@sightline/graph";
import type { WeightSource } from "@sightline/weights";
import { countAt, tensorEnding } from "../checkpoint-fields.js";
import { pixelShuffle, shuffledGrid } from "../pixel-shuffle.js";
import type { Projector, ProjectorFamily } from "../projector-family.js";
import { countOf, expectWidth, matrixShape } from "../tensor-shapes.js";

/**
 * Idefics3, SmolVLM 1 and 2, granite-docling: pixel shuffle, then one linear layer without bias (Laurençon et al. 2024,
 * 2.2).
 */
export const idefics3: ProjectorFamily = {
  type: "idefics3",
  modelTypes: ["idefics3", "smolvlm"],
  fromMmproj: (source) => projector(source, "mm.model.fc.weight", countOf(source, "clip.vision.projector.scale_factor")),
  fromCheckpoint: (source, config) => projector(source, tensorEnding(source, "connector.modality_projection.proj.weight"), countAt(source, config, "scale_factor", 2)),
};

function projector(source: WeightSource, name: string, factor: number): Projector {
  const [outputWidth, width] = matrixShape(source, name);
  return {
    type: "idefics3",
    outputWidth,
    tokens(grid) {
      const { rows, columns } = shuffledGrid(grid, factor);
      return rows * columns;
    },
    build(patchTokens, grid, parameter) {
      expectWidth(source.path, patchTokens, width / (factor * factor));
      return linear(pixelShuffle(patchTokens, grid, factor), parameter(name, [outputWidth, width]));
    },
  };
}
