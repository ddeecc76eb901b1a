import { linear, scale } from "@sightline/graph";
import type { WeightSource } from "@sightline/weights";
import { tensorEnding } from "../checkpoint-fields.js";
import type { Projector, ProjectorFamily } from "../projector-family.js";
import { expectWidth, matrixShape } from "../tensor-shapes.js";

/**
 * PaliGemma 1 and 2: one linear layer on every patch token, divided by sqrt(W) (Beyer et al. 2024). The division undoes
 * what the decoder does: Gemma multiplies every embedding that it is given by sqrt(W), and image rows are not to be.
 * llama.cpp has no such projector, so `linear` with `mm.0` is this project's own name for it in a GGUF.
 */
export const linearProjector: ProjectorFamily = {
  type: "linear",
  modelTypes: ["paligemma"],
  fromMmproj: (source) => projector(source, "mm.0"),
  fromCheckpoint: (source) => projector(source, tensorEnding(source, "multi_modal_projector.linear.weight").slice(0, -".weight".length)),
};

function projector(source: WeightSource, name: string): Projector {
  const [outputWidth, width] = matrixShape(source, `${name}.weight`);
  return {
    type: "linear",
    outputWidth,
    tokens: ({ rows, columns }) => rows * columns,
    build(patchTokens, _grid, parameter) {
      expectWidth(source.path, patchTokens, width);
      const rows = linear(patchTokens, parameter(`${name}.weight`, [outputWidth, width]), parameter(`${name}.bias`, [outputWidth]));
      return scale(rows, 1 / Math.sqrt(outputWidth));
    },
  };
}
