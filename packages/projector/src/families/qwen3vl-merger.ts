import { concat, geluErf, geluTanh, layerNorm, linear, slice, type Tensor } from "@sightline/graph";
import type { WeightSource } from "@sightline/weights";
import { countAt, tensorEnding } from "../checkpoint-fields.js";
import { pixelShuffle, shuffledGrid } from "../pixel-shuffle.js";
import { ProjectorError } from "../projector-error.js";
import type { Projector, ProjectorFamily, ProjectorParameter } from "../projector-family.js";
import { countOf, expectWidth, matrixShape } from "../tensor-shapes.js";

const epsilon = 1e-6;

/**
 * Qwen3-VL: each 2 x 2 block of patch tokens becomes one row, by a norm of each token, then linear, GELU, linear; and, for
 * the decoder's first layers, further rows of earlier blocks' tokens, there with the norm over the whole block (DeepStack,
 * Meng et al. 2024). All rows of a block lie behind one another on the feature axis, as llama.cpp's decoder reads them.
 */
export const qwen3vlMerger: ProjectorFamily = {
  type: "qwen3vl_merger",
  modelTypes: ["qwen3_vl", "qwen3_vl_moe"],
  fromMmproj(source, { gelu = "tanh" }) {
    const levels = [...source.tensors.keys()].map((name) => /^v\.deepstack\.(\d+)\.fc1\.weight$/.exec(name)?.[1]).filter((layer) => layer !== undefined);
    return projector(source, {
      last: { norm: "v.post_ln", first: "mm.0", second: "mm.2" },
      deep: levels.map(Number).toSorted((a, b) => a - b).map((level) => merger(`v.deepstack.${level}.`, "fc")),
      factor: countOf(source, "clip.vision.spatial_merge_size", 2),
      gelu,
    });
  },
  fromCheckpoint(source, config) {
    const prefix = tensorEnding(source, "merger.linear_fc1.weight").slice(0, -"merger.linear_fc1.weight".length);
    const levels = config["vision_config"] as { readonly deepstack_visual_indexes?: unknown } | undefined;
    const indexes = levels?.deepstack_visual_indexes ?? [8, 16, 24];
    if (!Array.isArray(indexes)) throw new ProjectorError(`${source.path}: config.json: expected vision_config.deepstack_visual_indexes to be a list, got ${JSON.stringify(indexes)}`);
    return projector(source, {
      last: merger(`${prefix}merger.`, "linear_fc"),
      deep: indexes.map((_, level) => merger(`${prefix}deepstack_merger_list.${level}.`, "linear_fc")),
      factor: countAt(source, config, "vision_config.spatial_merge_size", 2),
      gelu: "erf",
    });
  },
};

/** The names of one merger's layers. */
interface Merger {
  readonly norm: string;
  readonly first: string;
  readonly second: string;
}

interface Qwen3Projector {
  readonly last: Merger;
  readonly deep: readonly Merger[];
  readonly factor: number;
  readonly gelu: "tanh" | "erf";
}

function merger(prefix: string, layer: string): Merger {
  return { norm: `${prefix}norm`, first: `${prefix}${layer}1`, second: `${prefix}${layer}2` };
}

function projector(source: WeightSource, { last, deep, factor, gelu }: Qwen3Projector): Projector {
  const [hidden, blockWidth] = matrixShape(source, `${last.first}.weight`);
  const [rowWidth] = matrixShape(source, `${last.second}.weight`);
  const width = blockWidth / factor ** 2;
  const activation = gelu === "erf" ? geluErf : geluTanh;
  return {
    type: "qwen3vl_merger",
    outputWidth: rowWidth * (1 + deep.length),
    rowGrid: (grid) => shuffledGrid(grid, factor),
    tokens(grid) {
      const { rows, columns } = shuffledGrid(grid, factor);
      return rows * columns;
    },
    build(patchTokens, grid, parameter) {
      expectWidth(source.path, patchTokens, width * (1 + deep.length));
      const tokens = (level: number): Tensor => slice(patchTokens, 2, level * width, (level + 1) * width);
      const normed = normLayer(tokens(0), last.norm, width, parameter);
      const rows = [
        layers(pixelShuffle(normed, grid, factor), last, parameter),
        ...deep.map((names, i) => layers(normLayer(pixelShuffle(tokens(i + 1), grid, factor), names.norm, blockWidth, parameter), names, parameter)),
      ];
      return rows.length === 1 ? (rows[0] as Tensor) : concat(rows, 2);
    },
  };

  function layers(x: Tensor, { first, second }: Merger, parameter: ProjectorParameter): Tensor {
    const layer = (input: Tensor, name: string, out: number, into: number): Tensor => linear(input, parameter(`${name}.weight`, [out, into]), parameter(`${name}.bias`, [out]));
    return layer(activation(layer(x, first, hidden, blockWidth)), second, rowWidth, hidden);
  }
}

function normLayer(x: Tensor, name: string, width: number, parameter: ProjectorParameter): Tensor {
  return layerNorm(x, parameter(`${name}.weight`, [width]), parameter(`${name}.bias`, [width]), epsilon);
}
