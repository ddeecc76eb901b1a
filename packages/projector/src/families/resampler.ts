import { add, attention, layerNorm, linear, matmul, reshape, slice, type Graph, type Tensor } from "@sightline/graph";
import type { WeightSource } from "@sightline/weights";
import { tensorEnding } from "../checkpoint-fields.js";
import { ProjectorError } from "../projector-error.js";
import type { PatchGrid, Projector, ProjectorFamily, ProjectorParameter } from "../projector-family.js";
import { expectWidth, matrixShape } from "../tensor-shapes.js";

const epsilon = 1e-6;
const headWidth = 128;

/**
 * MiniCPM-V 2.6's resampler: Q learned queries attend once to the projected patch tokens, whose keys (not values) carry
 * 2-D sine positions; then a norm and a matrix (Yao et al. 2024, 3.1; Qwen-VL's adapter). Q tokens whatever the grid.
 */
export const resampler: ProjectorFamily = {
  type: "resampler",
  modelTypes: ["minicpmv"],
  fromMmproj: (source) =>
    projector(source, "resampler.", (parameter, part, width) => [parameter(`resampler.attn.${part}.weight`, [width, width]), parameter(`resampler.attn.${part}.bias`, [width])], {
      input: "resampler.kv.weight",
      output: "resampler.attn.out",
      // Turned round by the converter, so that it is multiplied as every other matrix of a GGUF.
      project: (rows, parameter, width) => linear(rows, parameter("resampler.proj.weight", [width, width])),
    }),
  fromCheckpoint(source) {
    const prefix = tensorEnding(source, "resampler.query").slice(0, -"query".length);
    return projector(source, prefix, (parameter, part, width) => {
      const at = ["q", "k", "v"].indexOf(part) * width;
      return [slice(parameter(`${prefix}attn.in_proj_weight`, [3 * width, width]), 0, at, at + width), slice(parameter(`${prefix}attn.in_proj_bias`, [3 * width]), 0, at, at + width)];
    }, {
      input: `${prefix}kv_proj.weight`,
      output: `${prefix}attn.out_proj`,
      project: (rows, parameter, width) => matmul(rows, parameter(`${prefix}proj`, [width, width])),
    });
  },
};

/** Weight [W, W] and bias [W] of one of the attention's three input layers. */
type InputLayer = (parameter: ProjectorParameter, part: "q" | "k" | "v", width: number) => readonly [Tensor, Tensor];

interface ResamplerNames {
  readonly input: string;
  readonly output: string;
  readonly project: (rows: Tensor, parameter: ProjectorParameter, width: number) => Tensor;
}

function projector(source: WeightSource, prefix: string, inputLayer: InputLayer, { input, output, project }: ResamplerNames): Projector {
  const [outputWidth, width] = matrixShape(source, input);
  const [queries] = matrixShape(source, `${prefix}query`);
  if (outputWidth % headWidth !== 0) {
    throw new ProjectorError(`${source.path}: expected "${input}" to have a multiple of ${headWidth} rows, one head's width, got ${outputWidth}`);
  }
  return {
    type: "resampler",
    outputWidth,
    tokens: () => queries,
    build(patchTokens, grid, parameter) {
      expectWidth(source.path, patchTokens, width);
      const norm = (x: Tensor, name: string): Tensor => layerNorm(x, parameter(`${prefix}${name}.weight`, [outputWidth]), parameter(`${prefix}${name}.bias`, [outputWidth]), epsilon);
      const part = (x: Tensor, name: "q" | "k" | "v"): Tensor => linear(x, ...inputLayer(parameter, name, outputWidth));
      const query = norm(parameter(`${prefix}query`, [queries, outputWidth]), "ln_q");
      const values = norm(linear(patchTokens, parameter(input, [outputWidth, width])), "ln_kv");
      const keys = add(values, positions(patchTokens.graph, grid, outputWidth));
      const heads = outputWidth / headWidth;
      const attended = attention(reshape(part(query, "q"), [1, queries, outputWidth]), part(keys, "k"), part(values, "v"), { heads });
      const joined = linear(attended, parameter(`${output}.weight`, [outputWidth, outputWidth]), parameter(`${output}.bias`, [outputWidth]));
      return project(norm(joined, "ln_post"), parameter, outputWidth);
    },
  };
}

/**
 * Sines and cosines of a patch's column, then of its row, at W/4 frequencies from 1 down to near 1/10000
 * (Vaswani et al. 2017, 3.5, in two dimensions).
 * @returns float32[P, W], row by row
 */
function positions(graph: Graph, { rows, columns }: PatchGrid, width: number): Tensor {
  const quarter = width / 4;
  const table = new Float32Array(rows * columns * width);
  for (let patch = 0; patch < rows * columns; patch++) {
    [patch % columns, Math.floor(patch / columns)].forEach((at, axis) => {
      for (let i = 0; i < quarter; i++) {
        const angle = at / 10_000 ** (i / quarter);
        table[patch * width + axis * 2 * quarter + i] = Math.sin(angle);
        table[patch * width + (axis * 2 + 1) * quarter + i] = Math.cos(angle);
      }
    });
  }
  return graph.weight("resampler positions", "float32", [rows * columns, width], table);
}
