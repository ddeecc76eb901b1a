import type { TensorDtype } from "./tensor-dtype.js";

/** Where a tensor lies and what it is; nothing of it has been read. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: TensorDtype;
  /** Row-major, outermost first, as PyTorch has it; GGUF's dimensions are turned round. */
  readonly shape: readonly number[];
  /** The file that holds it. */
  readonly file: string;
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** A metadata value; GGUF integers of 64 bits are bigint, arrays stay arrays. safetensors has strings only. */
export type MetadataValue = string | number | bigint | boolean | readonly MetadataValue[];

/** Named tensors of one or several files, read one at a time. */
export interface WeightSource extends AsyncDisposable {
  readonly path: string;
  readonly format: "safetensors" | "gguf";
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** A tensor widened or dequantised to float32, row-major. Throws WeightsError for an unknown name or a short read. */
  readFloat32(name: string): Promise<Float32Array>;
  /**
   * Rows of a matrix `[R, C]` widened or dequantised to float32, `[rows.length, C]`; nothing else of it is read. Throws
   * WeightsError for an unknown name, a tensor that is no matrix or a row that it does not have.
   */
  readRows(name: string, rows: ArrayLike<number>): Promise<Float32Array>;
  /** A tensor's bytes as they are stored. */
  readBytes(name: string): Promise<Uint8Array>;
  /** Closes the files, after reads under way. A second call does nothing more. */
  close(): Promise<void>;
}
