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

export interface ProjectorOptions {
  /**
   * Which GELU stands between the layers of `mlp`: the tanh form, as llama.cpp runs it (ggml_gelu) whatever the model was
   * trained with, or the erf form, as transformers runs LLaVA-OneVision (`projector_hidden_act: "gelu"`). "tanh" when
   * left out. They differ by up to 5e-4 in an activation.
   */
  readonly gelu?: "tanh" | "erf";
}

/** Reads one family's projector from an mmproj GGUF. Throws ProjectorError when its tensors do not fit. */
export type ProjectorFamily = (source: WeightSource, options: ProjectorOptions) => Projector;
