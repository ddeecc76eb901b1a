import type { PairFields } from "@sightline/contrastive";
import type { Device } from "@sightline/graph";
import type { CheckpointSettings, OptimizerSettings } from "../finetune-settings.js";

/** Where conversations are. */
export interface AlignDataSettings {
  /**
   * Conversations in LLaVA's form (`{image, conversations: [{from, value}]}`) or OpenAI's (`{messages: [{role, content}]}`), as
   * .jsonl, .json or .parquet; or pairs of image and caption, as the contrastive stage reads them. One or several.
   */
  readonly train: string | readonly string[];
  /** Conversations that are evaluated and never trained on. */
  readonly validation?: string | readonly string[];
  /** The folder that relative image paths start from; each file's own when left out. */
  readonly imageRoot?: string;
  readonly fields?: PairFields;
  /** Of a Karpathy file: which splits. */
  readonly splits?: readonly string[];
  /** What is asked about an image that has a caption and no conversation: one of several is drawn. "Describe the picture." by default. */
  readonly prompt?: string | readonly string[];
  /** What a conversation without a system message starts with; nothing by default. */
  readonly system?: string;
  /** What happens to one that cannot be read: counted and left out ("skip", the default), or the end of the run. */
  readonly bad?: "skip" | "fail";
  /** Places of a conversation at most, pictures included; 2048 by default, or what the decoder was trained with. */
  readonly maxTokens?: number;
  /** Longer ones: cut at their end ("cut", the default), left out, or the end of the run. */
  readonly longConversations?: "cut" | "skip" | "fail";
}

/** Which projector is trained. */
export interface ProjectorSettings {
  /** Of a new one; LLaVA's two layers. */
  readonly type?: "mlp";
  /** Go on from the model's own ("model", the default where there is one), or begin anew. */
  readonly start?: "model" | "new";
  /** Of a new one: the width between its layers, the decoder's by default. */
  readonly hiddenWidth?: number;
}

/** Adapters beside the matrices of a decoder's blocks. */
export interface DecoderLoraSettings {
  readonly rank: number;
  /** As large as the rank by default. */
  readonly alpha?: number;
  /** Share of an adapter's inputs that are dropped, 0 by default. */
  readonly dropout?: number;
  /** Both by default. */
  readonly parts?: readonly ("attention" | "mlp")[];
}

/** What of the model is trained. */
export interface AlignTrainsSettings {
  /** True by default. */
  readonly projector?: boolean;
  /** False by default; true trains all of it. */
  readonly decoder?: boolean | { readonly lora: DecoderLoraSettings };
  /** False by default. */
  readonly tower?: false | "all" | { readonly lastBlocks: number };
}

/**
 * What an alignment run leaves behind. "model": a folder that `sightline chat --model` and llama.cpp open, mmproj and decoder;
 * "mmproj": tower and projector alone; "adapter": the decoder's LoRA as llama.cpp has it; "decoder": the decoder with what
 * it learnt.
 */
export type AlignExport = "model" | "mmproj" | "adapter" | "decoder";

/** A run that trains a projector between a tower and a decoder, as a person writes it. */
export interface AlignSettings {
  readonly stage: "align";
  /**
   * "mini" or a folder with mmproj and decoder; their paths; or a SigLIP checkpoint (a folder, a hub name in the Hugging Face
   * cache, "mini") and a decoder, for a new projector. A decoder is a GGUF or a Hugging Face directory.
   */
  readonly model: string | { readonly mmproj: string; readonly decoder: string } | { readonly tower: string; readonly decoder: string };
  /** The folder of the run: checkpoints, logs, picture, results. */
  readonly out: string;
  readonly data: AlignDataSettings;
  readonly projector?: ProjectorSettings;
  readonly trains?: AlignTrainsSettings;
  /** The highest rate is 1e-3 by default; `rates` are factors on it. */
  readonly optimizer?: Omit<OptimizerSettings, "rates"> & { readonly rates?: { readonly projector?: number; readonly decoder?: number; readonly tower?: number } };
  /** Linear warm-up (a twentieth of the steps by default), then half a cosine down to `floor` of the rate (0). */
  readonly schedule?: { readonly warmupSteps?: number; readonly floor?: number };
  /** Steps of the run, or epochs; one of them. */
  readonly steps?: number;
  readonly epochs?: number;
  /** Conversations of a step, 8 by default. */
  readonly batchSize?: number;
  /** Conversations whose activations are held at a time, what some 2 GiB hold when left out; gradients are always the whole batch's. */
  readonly chunk?: number;
  /** Keep what a frozen tower gives instead of computing it again, true by default. */
  readonly cacheFeatures?: boolean;
  /** "cpu" by default. */
  readonly device?: Device;
  readonly threads?: number;
  readonly precision?: "float32";
  readonly seed?: number;
  /** Steps between evaluations; 10 evaluations a run when left out. */
  readonly evaluate?: { readonly everySteps?: number };
  readonly checkpoints?: CheckpointSettings;
  /** ["model"] by default; ["mmproj", "decoder"] where the decoder is no GGUF. */
  readonly export?: readonly AlignExport[];
}

/** The same, checked, with its defaults filled in and its paths absolute. */
export interface AlignConfig {
  readonly stage: "align";
  readonly model: AlignSettings["model"];
  readonly out: string;
  readonly data: Required<Omit<AlignDataSettings, "train" | "validation" | "imageRoot" | "fields" | "splits" | "prompt" | "system" | "maxTokens">> &
    Pick<AlignDataSettings, "imageRoot" | "fields" | "splits" | "system" | "maxTokens"> & { readonly train: readonly string[]; readonly validation?: readonly string[]; readonly prompt: readonly string[] };
  readonly projector: { readonly type: "mlp"; readonly start: "model" | "new"; readonly hiddenWidth?: number };
  readonly trains: {
    readonly projector: boolean;
    readonly decoder: boolean | { readonly lora: Required<Omit<DecoderLoraSettings, "alpha">> & Pick<DecoderLoraSettings, "alpha"> };
    readonly tower: false | "all" | { readonly lastBlocks: number };
  };
  readonly optimizer: Required<Omit<OptimizerSettings, "rates" | "movingAverage">> & Pick<OptimizerSettings, "movingAverage"> & { readonly rates: { readonly projector?: number; readonly decoder?: number; readonly tower?: number } };
  readonly schedule: { readonly warmupSteps?: number; readonly floor: number };
  readonly steps?: number;
  readonly epochs?: number;
  readonly batchSize: number;
  readonly chunk?: number;
  readonly cacheFeatures: boolean;
  readonly device: Device;
  readonly threads?: number;
  readonly precision: "float32";
  readonly seed: number;
  readonly evaluate: { readonly everySteps?: number };
  readonly checkpoints: Required<Omit<CheckpointSettings, "best">> & Pick<CheckpointSettings, "best">;
  readonly export?: readonly AlignExport[];
}
