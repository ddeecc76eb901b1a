import { matmul, mul, reshape } from "@sightline/graph";
import { hiddenKeyBias, interpolatePositions, naflexGrid, naflexPatchTokens, resample, type DecodedImage, type NaflexPreprocessing, type NaflexVisionConfig, type PatchGrid } from "@sightline/vision-tower";
import { normalized } from "./fixed-vision.js";
import type { TrainingVision } from "./training-vision.js";

/** Bytes before the patches of a kept image: the rows and columns of its grid, two bytes each. */
const headerBytes = 4;

/**
 * SigLIP 2 NaFlex. An image keeps its shape and is kept as its grid and the bytes of its patches, in the order of the patch
 * kernel (row, column, channel), zeros after the last one.
 *
 * Positions of a grid are a linear map of the learned table, so the table can be trained: `mixes` float32[C, P, S·S] says
 * how each patch's position is mixed from it, as torch's `F.interpolate` (bilinear, antialias) would.
 */
export function naflexVision(config: NaflexVisionConfig, preprocessing: NaflexPreprocessing): TrainingVision {
  const { width, patchSize, positionSide } = config;
  const { maxPatches, filter } = preprocessing;
  const patchBytes = 3 * patchSize * patchSize;
  const table = positionSide ** 2;
  const mixesOf = gridMixes(positionSide);
  return {
    encoder: config,
    patches: maxPatches,
    padded: true,
    rowBytes: headerBytes + maxPatches * patchBytes,
    resize: (image) => {
      if (filter === null) return wholePatches(image, preprocessing);
      const { rows, columns } = naflexGrid(image.width, image.height, patchSize, maxPatches);
      return resample(image, columns * patchSize, rows * patchSize, filter);
    },
    row: (image) => keptRow(image, patchSize, headerBytes + maxPatches * patchBytes),
    feeds: (rows, count) => {
      const rowBytes = rows.length / count;
      const patches = new Uint8Array(count * maxPatches * patchBytes);
      const present = new Float32Array(count * maxPatches);
      const mixes = new Float32Array(count * maxPatches * table);
      const keyBias = new Float32Array(count * maxPatches).fill(hiddenKeyBias);
      for (let i = 0; i < count; i++) {
        const row = rows.subarray(i * rowBytes, (i + 1) * rowBytes);
        const grid = gridOf(row);
        const [from, to] = [i * maxPatches, i * maxPatches + grid.rows * grid.columns];
        patches.set(row.subarray(headerBytes), i * maxPatches * patchBytes);
        present.fill(1, from, to);
        keyBias.fill(0, from, to);
        mixes.set(mixesOf(grid), from * table);
      }
      return {
        patches: { dtype: "uint8", shape: [count, maxPatches, patchBytes], data: patches },
        present: { dtype: "float32", shape: [count, maxPatches, 1], data: present },
        mixes: { dtype: "float32", shape: [count, maxPatches, table], data: mixes },
        keyBias: { dtype: "float32", shape: [count, 1, 1, maxPatches], data: keyBias },
      };
    },
    patchTokens: (graph, count, parameter) => {
      const bytes = graph.input("patches", "uint8", [count, maxPatches, patchBytes]);
      const present = graph.input("present", "float32", [count, maxPatches, 1]);
      const mixes = graph.input("mixes", "float32", [count, maxPatches, table]);
      const keyBias = graph.input("keyBias", "float32", [count, 1, 1, maxPatches]);
      const values = normalized(reshape(bytes, [count, maxPatches, patchSize * patchSize, 3]), preprocessing);
      // Padding is zeros after normalisation, not before.
      const patches = mul(reshape(values, [count, maxPatches, patchBytes]), present);
      const positions = matmul(mixes, parameter("vision_model.embeddings.position_embedding.weight", [table, width]));
      return { tokens: naflexPatchTokens(patches, positions, keyBias, parameter, config, { fused: false }), keyBias };
    },
  };
}

function wholePatches(image: DecodedImage, { patchSize, maxPatches }: NaflexPreprocessing): DecodedImage {
  const [rows, columns] = [image.height / patchSize, image.width / patchSize];
  if (Number.isInteger(rows) && Number.isInteger(columns) && rows * columns <= maxPatches) return image;
  throw new RangeError(`expected an image of at most ${maxPatches} patches of ${patchSize}x${patchSize}, because the checkpoint has do_resize false, got ${image.width}x${image.height}`);
}

function keptRow({ width, height, data }: DecodedImage, patchSize: number, rowBytes: number): Uint8Array {
  const row = new Uint8Array(rowBytes);
  const grid: PatchGrid = { rows: height / patchSize, columns: width / patchSize };
  new DataView(row.buffer).setUint16(0, grid.rows, true);
  new DataView(row.buffer).setUint16(2, grid.columns, true);
  const lineBytes = patchSize * 3;
  let at = headerBytes;
  for (let r = 0; r < grid.rows; r++) {
    for (let c = 0; c < grid.columns; c++) {
      for (let y = r * patchSize; y < (r + 1) * patchSize; y++, at += lineBytes) {
        const start = (y * width + c * patchSize) * 3;
        row.set(data.subarray(start, start + lineBytes), at);
      }
    }
  }
  return row;
}

function gridOf(row: Uint8Array): PatchGrid {
  const view = new DataView(row.buffer, row.byteOffset, headerBytes);
  return { rows: view.getUint16(0, true), columns: view.getUint16(2, true) };
}

/** Grids whose mixes are kept: photos come in few shapes. */
const gridsKept = 32;

/** How the positions of a grid are mixed from a table of side S, float32[rows · columns, S·S]. */
function gridMixes(side: number): (grid: PatchGrid) => Float32Array {
  const size = side ** 2;
  // What becomes of each position alone.
  const identity = new Float32Array(size * size);
  for (let i = 0; i < size; i++) identity[i * size + i] = 1;
  const kept = new Map<string, Float32Array>();
  return (grid) => {
    const key = `${grid.rows}x${grid.columns}`;
    const mixes = kept.get(key) ?? interpolatePositions(identity, { rows: side, columns: side }, grid, size, "bilinear-antialias");
    kept.delete(key);
    kept.set(key, mixes);
    if (kept.size > gridsKept) kept.delete(kept.keys().next().value as string);
    return mixes;
  };
}
