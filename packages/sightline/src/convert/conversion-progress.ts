import type { TensorToWrite } from "@sightline/weights";

/** How far a conversion is. */
export interface ConversionProgress {
  /** Bytes of weights that were written. */
  readonly bytes: number;
  /** Bytes of weights that there are to write. */
  readonly totalBytes: number;
}

/** What every conversion takes. */
export interface ConversionOptions {
  /** Replaces what is at `out`, once the new is whole. */
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
  /** Called after each tensor. */
  readonly onProgress?: (progress: ConversionProgress) => void;
}

/** The tensors, which are asked for their data one after the other, with progress told and the signal heard between them. */
export function watchedTensors(tensors: readonly TensorToWrite[], { signal, onProgress }: Pick<ConversionOptions, "signal" | "onProgress">): TensorToWrite[] {
  const bytesOf = ({ shape }: TensorToWrite): number => 4 * shape.reduce((product, side) => product * side, 1);
  const totalBytes = tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  let bytes = 0;
  return tensors.map((tensor) => ({
    ...tensor,
    data: async () => {
      signal?.throwIfAborted();
      const data = typeof tensor.data === "function" ? await tensor.data() : tensor.data;
      onProgress?.({ bytes: (bytes += bytesOf(tensor)), totalBytes });
      return data;
    },
  }));
}
