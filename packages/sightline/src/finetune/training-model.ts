import { readFile } from "node:fs/promises";
import path from "node:path";
import type { FeatureTower, Parameter, TwoTowers } from "@sightline/contrastive";
import { linear, reshape, slice, type Dim, type Graph, type Tensor } from "@sightline/graph";
import { hasTextHead, loadSiglip2Config, loadSiglipConfig, loadTextTokenizer, weightParameters, type SiglipTextConfig, type TextTokenizer } from "@sightline/vision-tower";
import { openWeights, type WeightSource } from "@sightline/weights";
import { siglipDirectory } from "../models/siglip-directory.js";
import { SightlineError } from "../sightline-error.js";
import { fixedVision } from "./fixed-vision.js";
import { naflexVision } from "./naflex-vision.js";
import { siglipTowers } from "./training-towers.js";
import { pooledImages, type PatchTokens, type TrainingVision } from "./training-vision.js";

/** A SigLIP checkpoint that can be trained. */
export interface TrainingModel extends AsyncDisposable {
  readonly directory: string;
  readonly vision: TrainingVision;
  readonly text: SiglipTextConfig;
  readonly tokenizer: TextTokenizer;
  readonly weights: WeightSource;
  readonly towers: TwoTowers;
  /** t' and b of the checkpoint. */
  readonly logitScale: number;
  readonly logitBias: number;
}

/**
 * Opens a SigLIP or SigLIP 2 checkpoint, of one fixed resolution or NaFlex, for training.
 * @throws SightlineError `bad-input` for a family that cannot be trained; ConfigError, WeightsError as `loadSiglip`
 */
export async function openTrainingModel(model: string): Promise<TrainingModel> {
  const directory = await siglipDirectory(model);
  const { vision, text: asWritten } = await readTowers(directory);
  const weights = await openWeights(directory);
  try {
    const text = { ...asWritten, head: hasTextHead(asWritten, weights) };
    const towers = siglipTowers(vision, text, (graph: Graph): Parameter => weightParameters(graph, weights));
    return {
      directory,
      vision,
      text,
      tokenizer: await loadTextTokenizer(directory, { maxTokens: text.maxTokens, vocabularySize: text.vocabularySize }),
      weights,
      towers,
      logitScale: await scalar(weights, "logit_scale"),
      logitBias: await scalar(weights, "logit_bias"),
      [Symbol.asyncDispose]: () => weights.close(),
    };
  } catch (error) {
    await weights.close();
    throw error;
  }
}

async function scalar(weights: WeightSource, name: string): Promise<number> {
  const [value] = await weights.readFloat32(name);
  if (value === undefined || !Number.isFinite(value)) throw new SightlineError("bad-input", `finetune: ${weights.path}: "${name}": expected one number, got ${value}`);
  return value;
}

async function readTowers(directory: string): Promise<{ readonly vision: TrainingVision; readonly text: SiglipTextConfig }> {
  const type = await modelType(directory);
  if (type === "siglip") {
    const { config, preprocessing } = await loadSiglipConfig(directory);
    return { vision: fixedVision(config.vision, preprocessing), text: config.text };
  }
  if (type === "siglip2") {
    const { config, preprocessing } = await loadSiglip2Config(directory);
    return { vision: naflexVision(config.vision, preprocessing), text: config.text };
  }
  throw new SightlineError("bad-input", `finetune: ${path.join(directory, "config.json")}: model_type: expected "siglip" or "siglip2", got ${JSON.stringify(type)}; give a SigLIP checkpoint`);
}

async function modelType(directory: string): Promise<unknown> {
  const file = path.join(directory, "config.json");
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new SightlineError("bad-input", `finetune: ${file}: cannot be read; expected the folder of a SigLIP checkpoint in Hugging Face's layout`, { cause });
  });
  try {
    return (JSON.parse(text) as { readonly model_type?: unknown } | null)?.model_type;
  } catch (cause) {
    throw new SightlineError("bad-input", `finetune: ${file}: is not JSON`, { cause });
  }
}

/** What is left of each tower after a frozen part, by how much of it is trained. */
export function frozenPart({ vision, text }: TrainingModel, tower: "image" | "text", trained: "none" | "head"): FeatureTower {
  const { width, projectionWidth } = text;
  const input = `${tower} features`;
  if (tower === "image") {
    if (trained === "none") return { input, shape: [vision.encoder.width], embed: (features) => features };
    const columns = vision.encoder.width + (vision.padded ? 1 : 0);
    return { input, shape: [vision.patches, columns], embed: (features, parameter) => pooledImages(takenApart(features, vision), parameter, vision) };
  }
  if (trained === "none" || text.head === false) return { input, shape: [projectionWidth], embed: (features) => features };
  return {
    input,
    shape: [width],
    embed: (features, parameter) => linear(features, parameter("text_model.head.weight", [projectionWidth, width]), parameter("text_model.head.bias", [projectionWidth])),
  };
}

/** Patch tokens that were kept, with the bias that hides padding as their last column where there is padding. */
function takenApart(features: Tensor, { encoder: { width }, patches, padded }: TrainingVision): PatchTokens {
  if (!padded) return { tokens: features };
  const keyBias = reshape(slice(features, 2, width, width + 1), [features.shape[0] as Dim, 1, 1, patches]);
  return { tokens: slice(features, 2, 0, width), keyBias };
}
