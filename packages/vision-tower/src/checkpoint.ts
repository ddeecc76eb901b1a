import type { Graph, Session, SessionOptions, TensorValue } from "@sightline/graph";
import type { DecodedImage } from "./pixels/decode-image.js";
import type { OnnxVariant } from "./hub-onnx/onnx-files.js";
import type { TextTokenizer } from "./text/load-text-tokenizer.js";

/** The grid that an image was cut into; its patches lie in it row by row. */
export interface PatchGrid {
  readonly rows: number;
  readonly columns: number;
}

/** A batch as a vision graph takes it. */
export interface PreparedImages {
  readonly feeds: Readonly<Record<string, TensorValue>>;
  /** One for each image. */
  readonly grids: readonly PatchGrid[];
  /**
   * P, rows of patch tokens an image; those beyond rows · columns of its grid are padding. 0 for a file that gives pooled
   * embeddings alone.
   */
  readonly patches: number;
}

/** The vision tower of a checkpoint, whichever family and file it comes from. */
export interface VisionPart {
  /** D, the width of a patch token. */
  readonly width: number;
  /** The width of a pooled embedding, which texts share; 0 for a tower without its pooling head. */
  readonly pooledWidth: number;
  /**
   * What `prepare` would do to an image first, where it can be done ahead: the result is as large as the tower sees it,
   * and `prepare` takes it as it is. Called while the tower runs, so that large photos are not kept for their turn.
   */
  resize?(image: DecodedImage): DecodedImage;
  /**
   * Resizes, normalises and batches.
   * @param reuse a batch that was prepared before and is no longer needed: its buffers may be written over
   */
  prepare(images: readonly DecodedImage[], reuse?: PreparedImages): PreparedImages;
  /** A session that gives `patchTokens` float32[B, P, D] and `pooled` float32[B, pooledWidth]. */
  open(options: SessionOptions): Promise<Session>;
  /** What `open` opens, which other precisions rewrite; a tower that comes as an ONNX file has none. */
  readonly graph?: Graph;
  /**
   * A session from `patchTokens` float32[N, D] to `patchEmbeddings` float32[N, pooledWidth], in the space of texts; of
   * families whose pooling can be applied to a single patch. Apart, so that encoding does not pay for it.
   */
  openPatchEmbeddings?(options: SessionOptions): Promise<Session>;
}

/** The text tower of a checkpoint. */
export interface TextPart {
  /** The width of an embedding, which images share. */
  readonly width: number;
  /** What `open` opens; a tower that comes as an ONNX file has none. */
  readonly graph?: Graph;
  /** Reads the checkpoint's tokenizer. Throws ConfigError for files that are missing or do not fit. */
  loadTokenizer(): Promise<TextTokenizer>;
  /** A session from `tokens` int64[B, T] to `embeddings` float32[B, width]. */
  open(options: SessionOptions): Promise<Session>;
}

/** What a family reads from a directory: towers that can be opened, and how their embeddings compare. */
export interface Checkpoint {
  /** The directory or file, for errors. */
  readonly path: string;
  readonly vision?: VisionPart;
  readonly text?: TextPart;
  /** t = exp(t'), which multiplies cosines; a checkpoint of one tower may lack it. */
  readonly logitScale?: number;
  /** b, which is added to them. */
  readonly logitBias?: number;
  /** Closes the files, once nothing is open that reads them. */
  close(): Promise<void>;
}

/** One of the two towers. */
export type TowerName = "vision" | "text";

/** What `openCheckpoint` opens of a directory. */
export interface OpenCheckpointOptions {
  /** Which towers must be there and may be asked for. */
  readonly towers: readonly TowerName[];
  /** Side of the square that images are resized to, where it is not the checkpoint's, pixels. */
  readonly imageSize?: number;
  /** P of a NaFlex checkpoint, where it is not the one of its files. */
  readonly maxPatches?: number;
  /** Which weights of a directory to take; ONNX files are taken where there are no safetensors, or where a variant is chosen. */
  readonly format?: "safetensors" | "onnx";
  /** Which of a directory's ONNX files. */
  readonly variant?: OnnxVariant;
  readonly signal?: AbortSignal;
}

/** The same as a caller gives them: both towers, or the one that the family has, where `towers` is left out. */
export type AskedCheckpointOptions = Omit<OpenCheckpointOptions, "towers"> & Partial<Pick<OpenCheckpointOptions, "towers">>;
