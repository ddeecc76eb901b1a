import type { Graph } from "@sightline/graph";
import type { WeightSource } from "@sightline/weights";
import type { PatchGrid } from "../checkpoint.js";
import { interpolatePositions, type PositionInterpolation } from "../models/interpolate-positions.js";
import type { Parameter } from "../models/transformer-block.js";
import { storedTensor } from "./weight-parameters.js";

export interface PositionResize {
  /** The table's name, to the builder and in the file. */
  readonly name: string;
  /** Its name in the file, where that is another. */
  readonly storedName?: string;
  /** Rows before those of the patches (the class token's), which stay as they are; none when left out. */
  readonly prefix?: number;
  /** Whether the table lies in the file as [1, rows, D]; as [rows, D] when left out. */
  readonly batched?: boolean;
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
  const { name, storedName = name, width, from, to, method, prefix = 0, batched = false } = resize;
  if (from.rows === to.rows && from.columns === to.columns) return parameter;
  const shapeOf = ({ rows, columns }: PatchGrid): number[] => [...(batched ? [1] : []), prefix + rows * columns, width];
  const stored = storedTensor(source, storedName, shapeOf(from));
  const table = graph.weight(name, "float32", shapeOf(to), {
    byteLength: 4 * (prefix + to.rows * to.columns) * width,
    read: async () => {
      const values = await source.readFloat32(stored.name);
      const patches = interpolatePositions(values.subarray(prefix * width), from, to, width, method);
      const result = new Float32Array(prefix * width + patches.length);
      result.set(values.subarray(0, prefix * width));
      result.set(patches, prefix * width);
      return result;
    },
  });
  return (asked, askedShape) => (asked === name ? table : parameter(asked, askedShape));
}
