import type { Graph, Shape, Tensor } from "@sightline/graph";
import type { TowerLayers } from "../trainable/tower-names.js";

/** Where a builder takes its parameters from. */
export type Parameter = (name: string, shape: Shape) => Tensor;

/** Two towers that can be put into any graph; whoever knows the model builds them. */
export interface TwoTowers {
  readonly layers: TowerLayers;
  /** D, which both embeddings have. */
  readonly width: number;
  /** Parameters that are not trained. */
  frozen(graph: Graph): Parameter;
  /** Declares the inputs of `count` images and gives their embeddings, float32[count, D], before normalisation. */
  images(graph: Graph, count: number, parameter: Parameter): Tensor;
  /** The same of texts. */
  texts(graph: Graph, count: number, parameter: Parameter): Tensor;
}
