import type { Graph, Tensor } from "@sightline/graph";
import type { PatchGrid } from "../checkpoint.js";
import type { Parameter } from "../models/transformer-block.js";
import type { Preprocessing } from "../pixels/preprocess.js";
import type { Size } from "../pixels/tiling/image-plan.js";

/** How a tower is built for training. */
export interface TowerTraining {
  /** B, images of a pass. */
  readonly batch: number;
  /** Makes parameters, by transformers' names of SigLIP's tower (`vision_model.…`), out of those of the file. */
  readonly adapt: (frozen: Parameter) => Parameter;
}

/** The vision tower of a vision-language model, which is built anew for each grid of patches that it is to see. */
export interface GridTower {
  /** Side of a square patch, pixels. */
  readonly patchSize: number;
  /** The width of what `build` gives for a patch: D, or D · (1 + levels) where the projector reads earlier blocks as well. */
  readonly width: number;
  /** Rows and columns of a grid are multiples of it. */
  readonly align: number;
  /** The grid that the tower's positions were stored for, or that a tower of one resolution takes alone. */
  readonly trainedGrid: PatchGrid;
  /** Whether `trainedGrid` is the only grid. */
  readonly fixedGrid: boolean;
  /** How pixels become numbers, and the filter that resizes; the size in it is that of `trainedGrid`. */
  readonly preprocessing: Preprocessing;
  /**
   * The grid that a view is cut into.
   * @throws RangeError for a size that the tower does not take
   */
  readonly gridOf: (view: Size) => PatchGrid;
  /**
   * The tower for one grid: adds the input `pixels` float32[B, 3, H, W] to the graph, where `gridOf` of W x H is `grid`,
   * and the weights, which are read when a session opens.
   * @param training builds it of parts that can be differentiated; for towers of one resolution (`fixedGrid`) alone
   * @returns patch tokens, float32[B, P, width], row by row of the grid
   * @throws RangeError for a grid that the tower does not take; WeightsError when a tensor is missing or does not fit
   */
  readonly build: (graph: Graph, grid: PatchGrid, training?: TowerTraining) => Tensor;
  /** The name in the file of a parameter that `TowerTraining.adapt` is asked for. */
  readonly fileName: (name: string) => string;
}

/** Throws RangeError unless a grid is whole patches in whole blocks. */
export function checkGrid(caller: string, { rows, columns }: PatchGrid, align: number): void {
  if (![rows, columns].every((side) => Number.isInteger(side) && side >= 1 && side % align === 0)) {
    throw new RangeError(`${caller}: expected rows and columns that are multiples of ${align}, got ${rows}x${columns}`);
  }
}

/**
 * The grid of a view that is made of whole patches in whole blocks.
 * @throws RangeError for a view of another size
 */
export function wholeGrid({ width, height }: Size, patchSize: number, align: number): PatchGrid {
  const unit = patchSize * align;
  if (![width, height].every((side) => Number.isInteger(side) && side >= 1 && side % unit === 0)) {
    throw new RangeError(`gridOf: expected sides that are multiples of ${unit} px, got ${width}x${height}`);
  }
  return { rows: height / patchSize, columns: width / patchSize };
}
