import type { Tensor } from "@sightline/graph";
import type { Parameter, TwoTowers } from "./two-towers.js";

/** What is left of a tower whose first part is frozen and has been computed already. */
export interface FeatureTower {
  /** The input that features are fed to. */
  readonly input: string;
  /** Shape of one row's features: [D] of a pooled embedding, [P, D] of patch tokens. */
  readonly shape: readonly number[];
  /** From features float32[C, ...shape] to embeddings float32[C, D]. */
  embed(features: Tensor, parameter: Parameter): Tensor;
}

/** Towers that start from features where their frozen part is known. */
export function featureTowers(towers: TwoTowers, features: { readonly image?: FeatureTower | undefined; readonly text?: FeatureTower | undefined }): TwoTowers {
  const from = (known: FeatureTower | undefined, whole: TwoTowers["images"]): TwoTowers["images"] =>
    known ? (graph, count, parameter) => known.embed(graph.input(known.input, "float32", [count, ...known.shape]), parameter) : whole;
  return { ...towers, images: from(features.image, towers.images), texts: from(features.text, towers.texts) };
}
