import type { ImageInput } from "sightline";
import type { ImageOutcome } from "./part-file.js";

/** What a worker does with images: embeds them, or captions them. */
export interface ShardTask extends AsyncDisposable {
  /**
   * The outcome of each image, in any order; an image that cannot be used has an error as its outcome.
   * @throws what concerns more than one image; the signal's reason
   */
  outcomes(images: AsyncIterable<ImageInput>, signal: AbortSignal): AsyncIterable<{ readonly path: string; readonly outcome: ImageOutcome }>;
}

/** Of the machine that works, not of the run. */
export interface WorkerSettings {
  /** Where the run's model lies here; as the manifest names it when left out. */
  readonly model?: string | undefined;
  readonly device?: "cpu" | "webgpu" | "cuda" | "tensorrt" | "auto" | undefined;
  /** Threads of the model. */
  readonly threads?: number | undefined;
}
