import { openSession } from "@sightline/graph";
import type { WeightSource } from "@sightline/weights";
import type { Checkpoint, OpenCheckpointOptions, PatchGrid, VisionPart } from "../checkpoint.js";
import { loadSiglip2Config } from "../config/load-siglip-config.js";
import { interpolatePositions } from "../models/interpolate-positions.js";
import { positionTable } from "../models/siglip-vision.js";
import { hiddenKeyBias, type NaflexVisionConfig } from "../models/siglip2-naflex.js";
import { maxPatchesLimit, preprocessNaflex, type NaflexPreprocessing } from "../pixels/naflex.js";
import { naflexVisionGraph, siglipPatchEmbeddingGraph } from "../siglip-graphs.js";
import { storedTensor } from "../weights/weight-parameters.js";
import { openSiglipTowers } from "./siglip-checkpoint.js";

/** Tables of positions that are kept: photos come in few shapes. */
const gridsKept = 32;

/**
 * SigLIP 2 NaFlex (`model_type: "siglip2"`) from a Hugging Face directory: images keep their shape, within the
 * checkpoint's number of patches or another.
 * @throws ConfigError naming the file and the field; WeightsError naming the tensor, its expected and its actual shape;
 * RangeError for a number of patches that is none
 */
export async function openSiglip2Checkpoint(directory: string, options: OpenCheckpointOptions): Promise<Checkpoint> {
  const { signal } = options;
  const { config, preprocessing } = await loadSiglip2Config(directory, signal ? { signal } : {});
  const maxPatches = options.maxPatches ?? preprocessing.maxPatches;
  if (!Number.isInteger(maxPatches) || maxPatches < 1 || maxPatches > maxPatchesLimit) {
    throw new RangeError(`loadSiglip: expected maxPatches from 1 to ${maxPatchesLimit}, got ${maxPatches}`);
  }
  return openSiglipTowers(directory, config, options, (source) => visionPart(config.vision, { ...preprocessing, maxPatches }, source));
}

async function visionPart(config: NaflexVisionConfig, preprocessing: NaflexPreprocessing, source: WeightSource): Promise<VisionPart> {
  const { width, positionSide } = config;
  const { maxPatches } = preprocessing;
  const graph = naflexVisionGraph(config, maxPatches, source);
  const trainedGrid = { rows: positionSide, columns: positionSide };
  const stored = storedTensor(source, positionTable, [positionSide ** 2, width]);
  const positionsOf = gridPositions(await source.readFloat32(stored.name), trainedGrid, width);
  return {
    graph,
    width,
    pooledWidth: width,
    prepare: (images) => {
      const { data, shape, grids } = preprocessNaflex(images, preprocessing);
      const positions = new Float32Array(images.length * maxPatches * width);
      const keyBias = new Float32Array(images.length * maxPatches);
      grids.forEach((grid, i) => {
        const table = positionsOf(grid);
        const end = (i + 1) * maxPatches;
        const padding = i * maxPatches + grid.rows * grid.columns;
        positions.set(table, i * maxPatches * width);
        // transformers gives padding the first position. Nothing looks at it, but its own tokens come out the same.
        for (let row = padding; row < end; row++) positions.set(table.subarray(0, width), row * width);
        keyBias.fill(hiddenKeyBias, padding, end);
      });
      const [batch] = shape;
      return {
        feeds: {
          patches: { dtype: "float32", shape, data },
          positions: { dtype: "float32", shape: [batch, maxPatches, width], data: positions },
          keyBias: { dtype: "float32", shape: [batch, 1, 1, maxPatches], data: keyBias },
        },
        grids,
        patches: maxPatches,
      };
    },
    open: (options) => openSession(graph, options),
    openPatchEmbeddings: (options) => openSession(siglipPatchEmbeddingGraph(config, source), options),
  };
}

/** The learned positions on any grid, float32[rows · columns, D]; the latest few are kept. */
function gridPositions(table: Float32Array, from: PatchGrid, width: number): (to: PatchGrid) => Float32Array {
  const kept = new Map<string, Float32Array>();
  return (to) => {
    const key = `${to.rows}x${to.columns}`;
    const positions = kept.get(key) ?? interpolatePositions(table, from, to, width, "bilinear-antialias");
    kept.delete(key);
    kept.set(key, positions);
    if (kept.size > gridsKept) kept.delete(kept.keys().next().value as string);
    return positions;
  };
}
