import { matmul, reduceMean, reshape, rmsNorm, shift, slice, type Dim, type Tensor } from "@sightline/graph";
import type { WeightSource } from "@sightline/weights";
import { countAt, fieldAt, tensorEnding } from "../checkpoint-fields.js";
import { ProjectorError } from "../projector-error.js";
import type { PatchGrid, Projector, ProjectorFamily } from "../projector-family.js";
import { countOf, expectWidth, matrixShape } from "../tensor-shapes.js";

/**
 * Gemma 3 and MedGemma: k x k patch tokens are averaged into one (k = 4: 4096 become 256), RMSNorm, then a matrix that is
 * stored as it is multiplied, [D, W] (Gemma Team 2025, 2.1). Gemma's norm multiplies by 1 + w; a GGUF stores 1 + w.
 */
export const gemma3: ProjectorFamily = {
  type: "gemma3",
  modelTypes: ["gemma3"],
  fromMmproj(source) {
    const key = "clip.vision.attention.layer_norm_epsilon";
    return projector(source, {
      norm: "mm.soft_emb_norm.weight",
      matrix: "mm.input_projection.weight",
      epsilon: epsilonOf(source, key, source.metadata.get(key)),
      plusOne: false,
      kernel: () => countOf(source, "clip.vision.projector.scale_factor", 4),
    });
  },
  fromCheckpoint(source, config) {
    const side = Math.floor(Math.sqrt(countAt(source, config, "mm_tokens_per_image", 256)));
    const key = "vision_config.layer_norm_eps";
    return projector(source, {
      norm: tensorEnding(source, "mm_soft_emb_norm.weight"),
      matrix: tensorEnding(source, "mm_input_projection_weight"),
      epsilon: epsilonOf(source, key, fieldAt(config, key) ?? 1e-6),
      plusOne: true,
      kernel: ({ rows }) => Math.max(1, Math.floor(rows / side)),
    });
  },
};

interface Gemma3Projector {
  readonly norm: string;
  readonly matrix: string;
  readonly epsilon: number;
  /** Whether the norm's weight is stored without its 1. */
  readonly plusOne: boolean;
  /** k, for a grid. */
  readonly kernel: (grid: PatchGrid) => number;
}

function projector(source: WeightSource, { norm, matrix, epsilon, plusOne, kernel }: Gemma3Projector): Projector {
  const [width, outputWidth] = matrixShape(source, matrix);
  const pooled = (grid: PatchGrid): PatchGrid => {
    const k = kernel(grid);
    return { rows: Math.floor(grid.rows / k), columns: Math.floor(grid.columns / k) };
  };
  return {
    type: "gemma3",
    outputWidth,
    tokens(grid) {
      const { rows, columns } = pooled(grid);
      return rows * columns;
    },
    build(patchTokens, grid, parameter) {
      expectWidth(source.path, patchTokens, width);
      const weight = parameter(norm, [width]);
      const normed = rmsNorm(averagePool(patchTokens, grid, kernel(grid)), plusOne ? shift(weight, 1) : weight, epsilon);
      return matmul(normed, parameter(matrix, [width, outputWidth]));
    },
  };
}

/**
 * The mean of each k x k block of a grid; rows and columns beyond the last whole block are dropped, as torch's AvgPool2d
 * drops them.
 * @param patchTokens float32[B, P, D], row by row
 * @returns float32[B, floor(rows / k) · floor(columns / k), D]
 */
function averagePool(patchTokens: Tensor, grid: PatchGrid, k: number): Tensor {
  const [batch, , width] = patchTokens.shape as [Dim, number, number];
  const rows = Math.floor(grid.rows / k);
  const columns = Math.floor(grid.columns / k);
  const whole = slice(slice(reshape(patchTokens, [batch, grid.rows, grid.columns, width]), 1, 0, rows * k), 2, 0, columns * k);
  return reshape(reduceMean(reshape(whole, [batch, rows, k, columns, k, width]), [2, 4]), [batch, rows * columns, width]);
}

function epsilonOf(source: WeightSource, key: string, value: unknown): number {
  if (typeof value !== "number" || !(value > 0)) throw new ProjectorError(`${source.path}: expected ${key} to be a positive number, got ${String(value)}`);
  return value;
}
