import type { PatchGrid } from "./checkpoint.js";
import type { TowerOutput } from "./image-stages.js";
import type { ImageEmbeddings } from "./vision-tower.js";

/** The rows of one call, which come from several runs in any order. */
export class EmbeddingRows {
  readonly #batch: number;
  readonly #width: number;
  readonly #pooledWidth: number;
  readonly #grids: PatchGrid[] = [];
  #patchTokens: Float32Array = new Float32Array(0);
  #pooled: Float32Array = new Float32Array(0);
  #patches = 0;
  #hasBegun = false;

  constructor(batch: number, { width, pooledWidth }: { readonly width: number; readonly pooledWidth: number }) {
    this.#batch = batch;
    this.#width = width;
    this.#pooledWidth = pooledWidth;
  }

  /** Takes row `row` of a run of `rows` rows as that of image `index`. */
  readonly deliver = (index: number, output: TowerOutput, row: number, rows: number): void => {
    this.#grids[index] = output.grids[row] as PatchGrid;
    if (this.#batch === 1 && rows === 1) {
      // A run for one image alone: its arrays are the result.
      ({ patchTokens: this.#patchTokens, pooled: this.#pooled, patches: this.#patches } = output);
      return;
    }
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      this.#patches = output.patches;
      this.#patchTokens = new Float32Array(this.#batch * output.patches * this.#width);
      this.#pooled = new Float32Array(this.#batch * this.#pooledWidth);
    }
    copyRow(output.patchTokens, row, this.#patchTokens, index, this.#patches * this.#width);
    copyRow(output.pooled, row, this.#pooled, index, this.#pooledWidth);
  };

  /** The embeddings, once every row was delivered. */
  finish(): ImageEmbeddings {
    return {
      patchTokens: this.#patchTokens,
      pooled: this.#pooled,
      batch: this.#batch,
      patches: this.#patches,
      width: this.#width,
      pooledWidth: this.#pooledWidth,
      grids: this.#grids,
    };
  }
}

function copyRow(from: Float32Array, row: number, to: Float32Array, index: number, length: number): void {
  to.set(from.subarray(row * length, (row + 1) * length), index * length);
}
