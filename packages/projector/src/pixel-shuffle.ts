import { GraphError, reshape, transpose, type Dim, type Tensor } from "@sightline/graph";
import type { PatchGrid } from "./projector-family.js";

/** The grid after a shuffle by `factor`: sides divided, rounded up. */
export function shuffledGrid({ rows, columns }: PatchGrid, factor: number): PatchGrid {
  return { rows: Math.ceil(rows / factor), columns: Math.ceil(columns / factor) };
}

/**
 * Pixel shuffle from space to depth (Shi et al. 2016, reversed): each factor × factor block of patch tokens becomes one
 * token whose channels lie in the order (dy · factor + dx) · D + d. Grids that do not divide are padded with zeros to
 * the right and below, as llama.cpp does.
 * @param patchTokens float32[B, P, D], P = rows · columns, row by row
 * @returns float32[B, N, factor² · D], row by row
 */
export function pixelShuffle(patchTokens: Tensor, grid: PatchGrid, factor: number): Tensor {
  const [batch, patches, width] = patchTokens.shape as [Dim, number, number];
  if (patches !== grid.rows * grid.columns) {
    throw new GraphError(`pixelShuffle: expected ${grid.rows}·${grid.columns} patch tokens, got ${patches}`);
  }
  const { rows, columns } = shuffledGrid(grid, factor);
  const padded = padRows(padColumns(reshape(patchTokens, [batch, grid.rows, grid.columns, width]), columns * factor), rows * factor);
  const blocks = reshape(padded, [batch, rows, factor, columns, factor * width]);
  return reshape(transpose(blocks, [0, 1, 3, 2, 4]), [batch, rows * columns, factor * factor * width]);
}

function padColumns(x: Tensor, columns: number): Tensor {
  return padAxis(x, 2, columns);
}

function padRows(x: Tensor, rows: number): Tensor {
  return padAxis(x, 1, rows);
}

/** Zeros behind the last entry of an axis, up to `length`. */
function padAxis(x: Tensor, axis: number, length: number): Tensor {
  const missing = length - (x.shape[axis] as number);
  if (missing === 0) return x;
  const shape = x.shape.map((dim, i) => (i === axis ? length : dim));
  const pads = [...x.shape.map(() => 0), ...x.shape.map((_, i) => (i === axis ? missing : 0))];
  return x.graph.node1("Pad", [x, x.graph.int64s(pads)], { shape });
}
