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
  return shuffleProjector({ path: source.path, name, factor, width: width / (factor * factor), outputWidth });
}

export interface ShuffleProjector {
  /** The file that errors name. */
  readonly path: string;
  /** The one matrix, [W, factor² · D]. */
  readonly name: string;
  readonly factor: number;
  /** D */
  readonly width: number;
  /** W */
  readonly outputWidth: number;
}

/** Shuffle and layer, wherever its matrix comes from. */
export function shuffleProjector({ path, name, factor, width, outputWidth }: ShuffleProjector): Projector {
  return {
    type: "idefics3",
    outputWidth,
    tokens(grid) {
      const { rows, columns } = shuffledGrid(grid, factor);
      return rows * columns;
    },
    build(patchTokens, grid, parameter) {
      expectWidth(path, patchTokens, width);
      return linear(pixelShuffle(patchTokens, grid, factor), parameter(name, [outputWidth, factor * factor * width]));
    },
  };
}
