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
  /** The tensor `float32[W]` that stands at the end of each row of tiled patches (`anyresRows`), where the file has one. */
  readonly newline?: string;
  /** N, for a grid of patches. */
  readonly tokens: (grid: PatchGrid) => number;
  /** The grid that the rows lie in, of a model whose decoder gives them positions in two dimensions (M-RoPE). */
  readonly rowGrid?: (grid: PatchGrid) => PatchGrid;
  /**
   * The projector as graph, behind the patch tokens of a tower.
   * @param patchTokens float32[B, P, D]
   * @returns float32[B, N, W]
   */
  readonly build: (patchTokens: Tensor, grid: PatchGrid, parameter: ProjectorParameter) => Tensor;
}

/** What an mmproj GGUF does not say of its projector. */
export interface ProjectorOptions {
  /**
   * Which GELU stands between the layers of an mmproj GGUF's `mlp` or `lfm2`: the tanh form, as llama.cpp runs it
   * (ggml_gelu) whatever the model was trained with, or the erf form, as transformers runs these models
   * (`projector_hidden_act: "gelu"`). When left out, what an `mlp`'s file says under `sightline.projector.gelu`, which
   * `sightline convert` writes; "tanh" where it says nothing. They differ by up to 5e-4 in an activation. A Hugging Face
   * checkpoint says itself which one it wants.
   */
  readonly gelu?: "tanh" | "erf";
}

/** The value of a checkpoint's `config.json`. */
export type CheckpointConfig = Readonly<Record<string, unknown>>;

/** One kind of projector: what it is called, and how it is read from either format. */
export interface ProjectorFamily {
  /** Its `clip.projector_type` in an mmproj GGUF. */
  readonly type: string;
  /** The `model_type` of the Hugging Face checkpoints that have it. */
  readonly modelTypes: readonly string[];
  /** Throws ProjectorError when a tensor or a key is missing or does not fit. */
  readonly fromMmproj: (source: WeightSource, options: ProjectorOptions) => Projector;
  /** Throws ProjectorError when a tensor or a field is missing or does not fit. */
  readonly fromCheckpoint: (source: WeightSource, config: CheckpointConfig) => Projector;
}
