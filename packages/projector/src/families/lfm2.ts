import { geluErf, geluTanh, layerNorm, linear, type Tensor } from "@sightline/graph";
import type { WeightSource } from "@sightline/weights";
import { countAt, fieldAt, geluAt, tensorEnding } from "../checkpoint-fields.js";
import { pixelShuffle, shuffledGrid } from "../pixel-shuffle.js";
import type { Projector, ProjectorFamily } from "../projector-family.js";
import { countOf, expectWidth, matrixShape } from "../tensor-shapes.js";

/** torch's default, which transformers leaves as it is and llama.cpp writes out. */
const epsilon = 1e-5;

/** LFM2-VL: pixel shuffle, a layer norm that some sizes leave out, linear, GELU, linear (Liquid AI 2025). */
export const lfm2: ProjectorFamily = {
  type: "lfm2",
  modelTypes: ["lfm2_vl"],
  fromMmproj: (source, { gelu = "tanh" }) =>
    projector(source, { norm: "mm.input_norm", first: "mm.1", second: "mm.2", factor: countOf(source, "clip.vision.projector.scale_factor"), gelu, bias: true }),
  fromCheckpoint(source, config) {
    const first = tensorEnding(source, "multi_modal_projector.linear_1.weight").slice(0, -".weight".length);
    return projector(source, {
      norm: first.replace(/linear_1$/, "layer_norm"),
      first,
      second: first.replace(/linear_1$/, "linear_2"),
      factor: countAt(source, config, "downsample_factor", 2),
      gelu: geluAt(source, config, "projector_hidden_act"),
      bias: fieldAt(config, "projector_bias") !== false,
    });
  },
};

interface Lfm2Projector {
  readonly norm: string;
  readonly first: string;
  readonly second: string;
  readonly factor: number;
  readonly gelu: "tanh" | "erf";
  readonly bias: boolean;
}

function projector(source: WeightSource, { norm, first, second, factor, gelu, bias }: Lfm2Projector): Projector {
  const [hidden, width] = matrixShape(source, `${first}.weight`);
  const [outputWidth] = matrixShape(source, `${second}.weight`);
  const normed = source.tensors.has(`${norm}.weight`);
  const activation = gelu === "erf" ? geluErf : geluTanh;
  return {
    type: "lfm2",
    outputWidth,
    tokens(grid) {
      const { rows, columns } = shuffledGrid(grid, factor);
      return rows * columns;
    },
    build(patchTokens, grid, parameter) {
      expectWidth(source.path, patchTokens, width / (factor * factor));
      const shuffled = pixelShuffle(patchTokens, grid, factor);
      const x = normed ? layerNorm(shuffled, parameter(`${norm}.weight`, [width]), parameter(`${norm}.bias`, [width]), epsilon) : shuffled;
      const layer = (input: Tensor, name: string, outWidth: number, inWidth: number): Tensor =>
        linear(input, parameter(`${name}.weight`, [outWidth, inWidth]), bias ? parameter(`${name}.bias`, [outWidth]) : undefined);
      return layer(activation(layer(x, first, hidden, width)), second, outputWidth, hidden);
    },
  };
}
