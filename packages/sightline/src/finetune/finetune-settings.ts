import type { LoraPart, PairFields, PairObjective, TrainablePart } from "@sightline/contrastive";
import type { Device } from "@sightline/graph";

/** What training does to a picture before the tower sees it. Nothing is done unless asked for. */
export interface AugmentSettings {
  /** A random part of the picture: its share of the area (`scale`, [0.5, 1] by default) and its width over its height (`ratio`, [3/4, 4/3]). */
  readonly randomResizedCrop?: { readonly scale?: readonly [number, number]; readonly ratio?: readonly [number, number] };
  /** How often a picture is mirrored, 0 to 1. Captions that say left and right become wrong by it. */
  readonly horizontalFlip?: number;
  /** How far brightness, contrast, saturation (factors 1 ± x) and hue (share of the circle, at most 0.5) may change. */
  readonly colorJitter?: { readonly brightness?: number; readonly contrast?: number; readonly saturation?: number; readonly hue?: number };
}

/** Where the pairs are, and what is done with those that are not as they should be. */
export interface DataSettings {
  /** Folders with .txt beside images, .csv, .tsv, .jsonl, .json (COCO, Karpathy), .parquet, .tar: one or several. */
  readonly train: string | readonly string[];
  /** Pairs that are evaluated and never trained on. */
  readonly validation?: string | readonly string[];
  /** The folder that relative image paths start from; each file's own when left out. */
  readonly imageRoot?: string;
  readonly fields?: PairFields;
  /** Of a Karpathy file: which splits are trained on; `train` and `restval` by default. */
  readonly splits?: readonly string[];
  readonly augment?: AugmentSettings;
  /** What happens to a pair that cannot be read: it is counted and left out ("skip", the default), or ends the run. */
  readonly bad?: "skip" | "fail";
  /** Captions longer than the text tower reads: cut ("cut", the default), left out, or ending the run. */
  readonly longCaptions?: "cut" | "skip" | "fail";
  /** What an equal caption of another image counts as: nothing ("ignore", the default), or a match. */
  readonly duplicates?: "ignore" | "positive";
}

/** What of the model is trained. */
export interface TrainsSettings {
  /** "all" by default; "none" locks the tower (LiT), "head" trains what follows the last norm, lastBlocks the last of its blocks. */
  readonly image?: TrainablePart;
  readonly text?: TrainablePart;
  /** Whether t and b are trained; they are by default. */
  readonly temperature?: boolean;
  /** Adapters instead of the matrices themselves; image and text then say nothing. */
  readonly lora?: {
    readonly rank: number;
    /** As large as the rank by default. */
    readonly alpha?: number;
    /** Share of an adapter's inputs that are dropped, 0 by default. */
    readonly dropout?: number;
    readonly parts?: readonly LoraPart[];
    readonly towers?: readonly ("image" | "text")[];
  };
}

/** The optimiser of a run; AdamW with its defaults for fine-tuning where nothing is set. */
export interface OptimizerSettings {
  readonly type?: "adamw" | "muon";
  /** The highest rate, 1e-5 by default. */
  readonly learningRate?: number;
  readonly beta1?: number;
  /** 0.95 by default. */
  readonly beta2?: number;
  readonly epsilon?: number;
  /** 0 by default; norms, biases, t and b never decay. */
  readonly weightDecay?: number;
  /** Largest norm of all gradients together, 1 by default. */
  readonly maxGradientNorm?: number;
  /** Factors on the learning rate: of a tower, of t and b, and of each block against the one after it. */
  readonly rates?: { readonly image?: number; readonly text?: number; readonly temperature?: number; readonly layerDecay?: number };
  /** Share of an average of the parameters that stays at each step, as 0.999; the average is evaluated and exported. */
  readonly movingAverage?: number;
}

/** What a run measures on the way, and when. */
export interface EvaluateSettings {
  /** Steps between evaluations; 10 evaluations a run when left out. */
  readonly everySteps?: number;
  /** Pictures whose caption is the name of their class. */
  readonly zeroShot?: { readonly data: string | readonly string[]; readonly templates?: readonly string[] };
}

/** When a run saves what it needs to go on. */
export interface CheckpointSettings {
  /** 100 by default. */
  readonly everySteps?: number;
  /** How many of the latest stay, 2 by default. */
  readonly keep?: number;
  /** The figure whose best checkpoint stays too, and is exported, as "imageToText.r1". */
  readonly best?: string;
}

/** What a run leaves behind: a Hugging Face directory, a PEFT adapter, ONNX files as the hub has them, an mmproj GGUF. */
export type ExportFormat = "safetensors" | "lora" | "onnx" | "mmproj";

/** A fine-tuning run, as a person writes it. */
export interface FinetuneSettings {
  readonly stage?: "contrastive";
  /** A folder with a SigLIP checkpoint, a hub name in the Hugging Face cache, or "mini". */
  readonly model: string;
  /** The folder of the run: checkpoints, logs, picture, results. */
  readonly out: string;
  readonly data: DataSettings;
  /** "sigmoid" by default. */
  readonly loss?: "sigmoid" | "softmax" | PairObjective;
  readonly trains?: TrainsSettings;
  /** t at the start; the checkpoint's by default. */
  readonly logitScale?: "checkpoint" | number;
  /**
   * b at the start. "fitted" (the default): so that the first batch's probabilities add up to its matches, which is
   * log(p / (1 - p)) where all cosines are 0, and right for a trained tower too. "batch": log(p / (1 - p)) as it is.
   */
  readonly logitBias?: "fitted" | "batch" | "checkpoint" | number;
  /** The most that t may become; never less than the checkpoint's own. No limit by default. */
  readonly maxLogitScale?: number;
  readonly optimizer?: OptimizerSettings;
  /** Linear warm-up (a twentieth of the steps by default), then half a cosine down to `floor` of the rate (0). */
  readonly schedule?: { readonly warmupSteps?: number; readonly floor?: number };
  /** Steps of the run, or epochs; one of them. */
  readonly steps?: number;
  readonly epochs?: number;
  /** Pairs of a step, 32 by default. */
  readonly batchSize?: number;
  /** Pairs whose activations are held at a time, the whole batch when left out; gradients are always the whole batch's. */
  readonly chunk?: number;
  /** Keep what frozen parts give instead of computing it again; done by default where it can be (no augmentation). */
  readonly cacheFeatures?: boolean;
  /** "cpu" by default. */
  readonly device?: Device;
  readonly threads?: number;
  readonly precision?: "float32";
  readonly seed?: number;
  readonly evaluate?: EvaluateSettings;
  readonly checkpoints?: CheckpointSettings;
  /** ["safetensors"] by default. */
  readonly export?: readonly ExportFormat[];
  /** The mmproj GGUF whose projector stays, and whose tower is replaced, for the export "mmproj". */
  readonly mmproj?: string;
}

type Filled<T, Optional extends keyof T> = Required<Omit<T, Optional>> & Pick<T, Optional>;

/** The same, checked, with its defaults filled in and its paths absolute. */
export interface FinetuneConfig {
  readonly stage: "contrastive";
  readonly model: string;
  readonly out: string;
  readonly data: Filled<Omit<DataSettings, "train" | "validation">, "imageRoot" | "fields" | "splits" | "augment"> & {
    readonly train: readonly string[];
    readonly validation?: readonly string[];
  };
  readonly loss: PairObjective;
  readonly trains: Filled<TrainsSettings, "lora"> & { readonly lora?: Filled<NonNullable<TrainsSettings["lora"]>, "alpha"> };
  readonly logitScale: "checkpoint" | number;
  readonly logitBias: "fitted" | "batch" | "checkpoint" | number;
  readonly maxLogitScale?: number;
  readonly optimizer: Filled<OptimizerSettings, "movingAverage">;
  readonly schedule: { readonly warmupSteps?: number; readonly floor: number };
  readonly steps?: number;
  readonly epochs?: number;
  readonly batchSize: number;
  readonly chunk?: number;
  readonly cacheFeatures?: boolean;
  readonly device: Device;
  readonly threads?: number;
  readonly precision: "float32";
  readonly seed: number;
  readonly evaluate: { readonly everySteps?: number; readonly zeroShot?: { readonly data: readonly string[]; readonly templates: readonly string[] } };
  readonly checkpoints: Filled<CheckpointSettings, "best">;
  readonly export: readonly ExportFormat[];
  readonly mmproj?: string;
}
