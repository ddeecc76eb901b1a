import type { TensorDtype } from "@sightline/weights";

/** Weights stored alike. */
export interface StoredWeights {
  readonly dtype: TensorDtype;
  readonly parameters: number;
  /** As they lie in the file. */
  readonly bytes: number;
}

/** The part that sees. */
export interface TowerDescription {
  /** mmproj GGUF or Hugging Face directory. */
  readonly path: string;
  readonly kind: "siglip" | "siglip2-naflex" | "qwen3-vl" | "unknown";
  /** Side of the square that it was trained at, pixels; missing where pictures keep their shape. */
  readonly imageSize?: number;
  /** Side of a patch, pixels. */
  readonly patchSize?: number;
  /** D */
  readonly width?: number;
  /** L, blocks of the file. */
  readonly blocks?: number;
  /** A */
  readonly heads?: number;
  /** Of the tower alone. */
  readonly parameters: number;
  /** The largest first. */
  readonly weights: readonly StoredWeights[];
}

/** What makes decoder embeddings of patch tokens. */
export interface ProjectorDescription {
  /** `clip.projector_type`, or the family that the checkpoint belongs to. */
  readonly type: string;
  /** Whether Sightline can run it with this tower. */
  readonly known: boolean;
  /** Why it cannot. */
  readonly problem?: string;
  /** W; missing where the projector is not known. */
  readonly width?: number;
  /** N of a picture of the tower's own size, seen whole, and of a large one in the highest detail. */
  readonly tokens?: { readonly least: number; readonly most: number };
  readonly parameters: number;
}

/** The part that speaks. */
export interface DecoderDescription {
  readonly path: string;
  /** `general.architecture` */
  readonly architecture: string;
  /** `general.name`, where there is one. */
  readonly name?: string;
  /** Counted from the tensors; shared input and output embeddings count once. */
  readonly parameters: number;
  /** The largest first. */
  readonly weights: readonly StoredWeights[];
  /** L */
  readonly blocks?: number;
  /** E: what it reads for a token, deepstack levels included. */
  readonly width?: number;
  /** A; of the block that has the most. */
  readonly heads?: number;
  /** Of the block that has the most. */
  readonly keyValueHeads?: number;
  /** Positions. */
  readonly trainedContext?: number;
  /** Positions that blocks with a sliding window look back. */
  readonly slidingWindow?: number;
  /** V */
  readonly vocabulary?: number;
  readonly chatTemplate: boolean;
}

/** Whether projector and decoder belong together. */
export interface PairDescription {
  readonly fits: boolean;
  /** W */
  readonly projectorWidth?: number;
  /** E */
  readonly decoderWidth?: number;
  readonly problem?: string;
}

/** Bytes of keys and values in F16 for one conversation. */
export interface CacheDescription {
  /** Positions. */
  readonly context: number;
  /** As `loadVisionChat` makes the cache: every block keeps every position, so that beginnings can be used again. */
  readonly bytes: number;
  /** If blocks with a sliding window kept only that and one batch of 512; missing where there is none. */
  readonly windowBytes?: number;
}

/** Bytes; compute buffers, which depend on the options, are not counted. */
export interface MemoryDescription {
  /** The decoder's weights as they lie in the file. */
  readonly decoderBytes?: number;
  /** At a context of 4096, or what the decoder was trained with where that is less, and at what it was trained with. */
  readonly cache: readonly CacheDescription[];
  /** Tower and projector in float32, as the graph holds them. */
  readonly encoderBytes?: number;
}

/** What a model's files say of it; see `describeModel`. */
export interface ModelDescription {
  /** As it was asked for. */
  readonly model: string;
  readonly tower?: TowerDescription;
  readonly projector?: ProjectorDescription;
  readonly decoder?: DecoderDescription;
  /** Where there are both. */
  readonly pair?: PairDescription;
  readonly memory: MemoryDescription;
}
