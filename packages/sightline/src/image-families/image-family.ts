import type { ImagePlan, PanAndScan, Preprocessing, PreprocessingStyle, Size } from "@sightline/vision-tower";
import type { MetadataValue } from "@sightline/weights";

/** How closely a picture is looked at, as OpenAI's `detail` has it: whole, in as many parts as the model knows, or as the model does by itself. */
export type Detail = "low" | "high" | "auto";

/** What a plan depends on besides the picture. */
export interface PlanRequest {
  /** "auto" when left out. */
  readonly detail?: Detail;
  /** The picture's number in its prompt, from 0. 0 when left out. */
  readonly imageIndex?: number;
  /** Pictures of the prompt. 1 when left out. */
  readonly imageCount?: number;
}

/** What a family's files say about how pictures are prepared. */
export interface PreparationFacts {
  /** Side of the square that the tower was made for, pixels. */
  readonly side: number;
  /** Side of a patch, pixels. */
  readonly patchSize: number;
  readonly preprocessing: Preprocessing;
  readonly style: PreprocessingStyle;
  /** What the caller asked for; Gemma 3's. */
  readonly panAndScan: PanAndScan | undefined;
  /** Whether the file holds what ends a row of tiled patches. */
  readonly newline: boolean;
  /** Of an mmproj GGUF. */
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  /** Of a Hugging Face directory: config.json, and preprocessor_config.json. `undefined` for a GGUF. */
  readonly modelConfig: unknown;
  readonly processorConfig: unknown;
}

/** A model's way with pictures, as its family reads it from the files. */
export interface Planner {
  readonly plan: (image: Size, request: Required<PlanRequest>) => ImagePlan;
  /** Tiles' worth of patches that tiles joined with newlines are shrunk to. */
  readonly maxTiles?: number;
  /** What a chat writes between a picture and what follows it, where the decoder's template does not know pictures. */
  readonly afterImage?: string;
}

/** What is special about the pictures of models with one type of projector. */
export interface ImageFamily {
  /** `clip.projector_type`. */
  readonly type: string;
  /** Whether a view's rows look at each other both ways in the decoder. */
  readonly nonCausal?: boolean;
  /** What the family's chat templates write where a picture stands; replaced by the plan's layout. */
  readonly marker?: string;
  /** "prefix": pictures and question are one block whose rows all look at each other, without turns. A chat when left out. */
  readonly prompt?: "chat" | "prefix";
  readonly planner: (facts: PreparationFacts) => Planner;
}
