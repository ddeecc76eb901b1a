import type { Graph } from "@sightline/graph";
import type { WeightSource } from "@sightline/weights";
import type { PatchGrid } from "../checkpoint.js";
import { interpolatePositions, type PositionInterpolation } from "../models/interpolate-positions.js";
import type { Parameter } from "../models/transformer-block.js";
import { storedTensor } from "./weight-parameters.js";

export interface PositionResize {
  /** The table's name, to the builder and in the file. */
  readonly name: string;
  /** D */
  readonly width: number;
  /** The grid of the stored table. */
  readonly from: PatchGrid;
  /** The grid that is wanted. */
  readonly to: PatchGrid;
  readonly method: PositionInterpolation;
}

/**
 * `parameter`, but with the table of positions laid over another grid, once, when a session opens. Where both grids are
 * the same it is `parameter` itself.
 * @throws WeightsError when the stored table is missing or does not fit its grid
 */
export function resizedPositions(graph: Graph, source: WeightSource, parameter: Parameter, resize: PositionResize): Parameter {
  const { name, width, from, to, method } = resize;
  if (from.rows === to.rows && from.columns === to.columns) return parameter;
  const stored = storedTensor(source, name, [from.rows * from.columns, width]);
  const shape = [to.rows * to.columns, width];
  const table = graph.weight(name, "float32", shape, {
    byteLength: 4 * to.rows * to.columns * width,
    read: async () => interpolatePositions(await source.readFloat32(stored.name), from, to, width, method),
  });
  return (asked, askedShape) => (asked === name ? table : parameter(asked, askedShape));
}
