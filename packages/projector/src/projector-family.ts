import type { Shape, Tensor } from "@sightline/graph";
import type { WeightSource } from "@sightline/weights";

/** Where a projector takes its parameters from, by the file's names. */
export type ProjectorParameter = (name: string, shape: Shape) => Tensor;

/** The grid that patch tokens come in, row by row. */
export interface PatchGrid {
  readonly rows: number;
  readonly columns: number;
}

/** A projector as a file describes it, ready to be built behind a tower. */
export interface Projector {
  readonly type: string;
  /** W, which must be the decoder's E. */
  readonly outputWidth: number;
  /** N, for a grid of patches. */
  readonly tokens: (grid: PatchGrid) => number;
  /**
   * @param patchTokens float32[B, P, D]
   * @returns float32[B, N, W]
   */
  readonly build: (patchTokens: Tensor, grid: PatchGrid, parameter: ProjectorParameter) => Tensor;
}

/** Reads one family's projector from an mmproj GGUF. Throws ProjectorError when its tensors do not fit. */
export type ProjectorFamily = (source: WeightSource) => Projector;
