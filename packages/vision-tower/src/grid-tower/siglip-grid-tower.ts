import { gatherRows, reshape, transpose, type Graph, type Tensor } from "@sightline/graph";
import { WeightsError, type WeightSource } from "@sightline/weights";
import type { PatchGrid } from "../checkpoint.js";
import type { MmprojVision } from "../mmproj/read-mmproj-vision.js";
import { interpolatePositions } from "../models/interpolate-positions.js";
import { patchesOf, patchGrid, positionTable, siglipPatchTokens } from "../models/siglip-vision.js";
import type { Parameter } from "../models/transformer-block.js";
import type { Size } from "../pixels/tiling/image-plan.js";
import { storedTensor, weightParameters } from "../weights/weight-parameters.js";
import { checkGrid, wholeGrid, type GridTower } from "./grid-tower.js";

/**
 * A SigLIP tower: of one resolution, or, where its positions allow it, of any grid (NaFlex; MiniCPM-V's own).
 * @throws WeightsError when the table of positions is no square
 */
export function siglipGridTower(source: WeightSource, vision: MmprojVision): GridTower {
  const { config, postLayerNorm, positions, rename } = vision;
  const { patchSize, width } = config;
  const fixedGrid = positions === "fixed";
  const table = fixedGrid ? undefined : positionSquare(source, rename(positionTable), width);
  // A NaFlex checkpoint names no size: its table does.
  const trainedGrid = table && positions === "resized" ? { rows: table.side, columns: table.side } : patchGrid(config);
  const side = positions === "resized" ? trainedGrid.rows * patchSize : config.imageSize;
  const preprocessing = { ...vision.preprocessing, width: side, height: side };
  return {
    patchSize,
    width,
    align: 1,
    trainedGrid,
    fixedGrid,
    preprocessing,
    gridOf(view) {
      if (!fixedGrid) return wholeGrid(view, patchSize, 1);
      if (view.width === side && view.height === side) return trainedGrid;
      throw new RangeError(`gridOf: expected ${side}x${side} px, the tower's one resolution, got ${view.width}x${view.height}`);
    },
    fileName: rename,
    build(graph, grid, training) {
      checkGrid("build", grid, 1);
      if (training && !fixedGrid) throw new RangeError("build: towers of any resolution cannot be trained; expected one of a single grid");
      if (fixedGrid && !sameGrid(grid, trainedGrid)) {
        throw new RangeError(`build: expected ${trainedGrid.rows}x${trainedGrid.columns} patches, the tower's one grid, got ${grid.rows}x${grid.columns}`);
      }
      const size: Size = fixedGrid ? preprocessing : { width: grid.columns * patchSize, height: grid.rows * patchSize };
      const pixels = graph.input("pixels", "float32", [training?.batch ?? "B", 3, size.height, size.width]);
      const stored = kernelFromLinear(source, rename, weightParameters(graph, source, rename));
      const parameter = training ? training.adapt(stored) : stored;
      const embeddedPositions = table && (positions === "resized" ? resized(graph, source, table, grid, width) : bucketed(graph, parameter, table, grid, width));
      return siglipPatchTokens(patchesOf(pixels, patchSize), parameter, config, { fused: !training, postLayerNorm, ...(embeddedPositions ? { embeddedPositions } : {}) });
    },
  };
}

interface PositionSquare {
  /** In the file. */
  readonly name: string;
  readonly side: number;
}

function positionSquare(source: WeightSource, name: string, width: number): PositionSquare {
  const rows = source.tensors.get(name)?.shape[0] ?? 0;
  const side = Math.sqrt(rows);
  if (!Number.isInteger(side) || side < 1) throw new WeightsError(`${source.path}: "${name}": expected a square number of positions, got ${rows}`);
  storedTensor(source, name, [rows, width]);
  return { name, side };
}

/** float32[P, D]: the table laid over a grid as SigLIP 2's NaFlex does it (Tschannen et al. 2025, 2.4.2). */
function resized(graph: Graph, source: WeightSource, { name, side }: PositionSquare, grid: PatchGrid, width: number): Tensor {
  const patches = grid.rows * grid.columns;
  return graph.weight(positionTable, "float32", [patches, width], {
    byteLength: 4 * patches * width,
    read: async () => interpolatePositions(await source.readFloat32(name), { rows: side, columns: side }, grid, width, "bilinear-antialias"),
  });
}

/**
 * float32[P, D]: the entries of the table where the patches lie when both are stretched over each other (Laurençon et al.
 * 2024, Idefics2, after NaViT; llama.cpp's clip.cpp). Where an edge of the two coincides, transformers' float32 may fall
 * to the entry before.
 */
function bucketed(graph: Graph, parameter: Parameter, { side }: PositionSquare, { rows, columns }: PatchGrid, width: number): Tensor {
  const places = Array.from({ length: rows * columns }, (_, i) =>
    Math.floor((side * Math.floor(i / columns)) / rows) * side + Math.floor((side * (i % columns)) / columns));
  return gatherRows(parameter(positionTable, [side * side, width]), graph.int64s(places));
}

/** NaFlex checkpoints embed patches by a matrix [D, p·p·3], whose columns lie in the order row, column, channel. */
function kernelFromLinear(source: WeightSource, rename: (name: string) => string, parameter: Parameter): Parameter {
  const kernel = "vision_model.embeddings.patch_embedding.weight";
  if (source.tensors.get(rename(kernel))?.shape.length !== 2) return parameter;
  return (name, shape) => {
    if (name !== kernel) return parameter(name, shape);
    const [width, channels, high, wide] = shape as readonly [number, number, number, number];
    return transpose(reshape(parameter(name, [width, high * wide * channels]), [width, high, wide, channels]), [0, 3, 1, 2]);
  };
}

function sameGrid(a: PatchGrid, b: PatchGrid): boolean {
  return a.rows === b.rows && a.columns === b.columns;
}
