import { readFile } from "node:fs/promises";
import path from "node:path";
import type { FeatureTower, Parameter, TwoTowers } from "@sightline/contrastive";
import { linear, type Graph } from "@sightline/graph";
import { checkpointDirectory, hasTextHead, loadSiglipConfig, loadTextTokenizer, patchCount, siglipPooledEmbedding, weightParameters, type Preprocessing, type SiglipConfig, type TextTokenizer } from "@sightline/vision-tower";
import { openWeights, type WeightSource } from "@sightline/weights";
import { siglipDirectory } from "../models/siglip-directory.js";
import { SightlineError } from "../sightline-error.js";
import { siglipTowers } from "./training-towers.js";

/** A SigLIP checkpoint that can be trained. */
export interface TrainingModel extends AsyncDisposable {
  readonly directory: string;
  readonly config: SiglipConfig;
  readonly preprocessing: Preprocessing;
  readonly tokenizer: TextTokenizer;
  readonly weights: WeightSource;
  readonly towers: TwoTowers;
  /** t' and b of the checkpoint. */
  readonly logitScale: number;
  readonly logitBias: number;
}

/**
 * Opens a SigLIP checkpoint of one fixed resolution (SigLIP, and SigLIP 2 but NaFlex) for training.
 * @throws SightlineError `bad-input` for a family that cannot be trained; ConfigError, WeightsError as `loadSiglip`
 */
export async function openTrainingModel(model: string): Promise<TrainingModel> {
  const directory = await checkpointDirectory(siglipDirectory(model));
  await expectTrainable(directory);
  const { config: read, preprocessing } = await loadSiglipConfig(directory);
  const weights = await openWeights(directory);
  try {
    const { text } = read;
    const config = { ...read, text: { ...text, head: hasTextHead(text, weights) } };
    const towers = siglipTowers(config, preprocessing, (graph: Graph): Parameter => weightParameters(graph, weights));
    return {
      directory,
      config,
      preprocessing,
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

async function expectTrainable(directory: string): Promise<void> {
  const file = path.join(directory, "config.json");
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new SightlineError("bad-input", `finetune: ${file}: cannot be read; expected the folder of a SigLIP checkpoint in Hugging Face's layout`, { cause });
  });
  let type: unknown;
  try {
    type = (JSON.parse(text) as { readonly model_type?: unknown } | null)?.model_type;
  } catch (cause) {
    throw new SightlineError("bad-input", `finetune: ${file}: is not JSON`, { cause });
  }
  if (type === "siglip") return;
  const reason = type === "siglip2" ? "NaFlex checkpoints cannot be trained yet; take one of a fixed resolution" : "expected a SigLIP checkpoint";
  throw new SightlineError("bad-input", `finetune: ${file}: model_type: expected "siglip", got ${JSON.stringify(type)}; ${reason}`);
}

/** What is left of each tower after a frozen part, by how much of it is trained. */
export function frozenPart({ config }: TrainingModel, tower: "image" | "text", trained: "none" | "head"): FeatureTower {
  const { vision, text } = config;
  const input = `${tower} features`;
  if (tower === "image") {
    if (trained === "none") return { input, shape: [vision.width], embed: (features) => features };
    return { input, shape: [patchCount(vision), vision.width], embed: (features, parameter) => siglipPooledEmbedding(features, parameter, vision) };
  }
  if (trained === "none" || text.head === false) return { input, shape: [text.projectionWidth], embed: (features) => features };
  const { width, projectionWidth } = text;
  return {
    input,
    shape: [width],
    embed: (features, parameter) => linear(features, parameter("text_model.head.weight", [projectionWidth, width]), parameter("text_model.head.bias", [projectionWidth])),
  };
}
