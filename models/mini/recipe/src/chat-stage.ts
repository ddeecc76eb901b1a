import path from "node:path";
import { patchCount } from "@sightline/vision-tower";
import { openWeights } from "@sightline/weights";
import { trainStyles } from "./art/art-sets.js";
import type { Sprites } from "./art/sprites.js";
import { chatBatch } from "./chat-batches.js";
import { chatTrainingGraph } from "./chat-graph.js";
import { ChatTokens } from "./chat-tokens.js";
import { readChatTokenizer } from "./chat-tokenizer.js";
import { initialiseParameters } from "./initial-parameters.js";
import { miniDecoder, miniVision } from "./mini-config.js";
import { objectNames } from "./objects.js";
import { Random } from "./scenes/random.js";
import { SceneRenderer } from "./scenes/render-scene.js";
import { sampleScene, sampleSingle } from "./scenes/scene.js";
import type { Stage, StageOptions } from "./stage.js";
import { TextTokens } from "./text-tokens.js";
import { readTextTokenizer } from "./text-tokenizer.js";

const seed = 20261125;
const textTokens = 72;
/** Learning rate of the towers against that of projector and decoder. */
const towerRate = 1;
/** Share of pictures whose drawings are changed, for styles that were never seen; all of them would be too hard a start. */
const augmentedShare = 0.35;

/**
 * Second stage: projector and decoder on conversations about scenes, the towers following. The sigmoid loss stays beside
 * the decoder's, so that the pooled embedding keeps its meaning.
 */
export async function chatStage(sprites: Sprites, { folder, steps }: StageOptions): Promise<Stage> {
  const text = await readTextTokenizer(folder);
  const chat = await readChatTokenizer(folder);
  const shape = {
    images: 32,
    textTokens,
    positions: textTokens + patchCount(miniVision),
    targets: 32 * 34,
    texts: 64,
    textVocabularySize: text.size,
    chatVocabularySize: chat.size,
  };
  const sampling = { names: objectNames, styles: trainStyles, sprites, augment: true };
  const sources = {
    renderer: new SceneRenderer(sprites),
    tokens: new TextTokens(text.json),
    chat: new ChatTokens(chat.json),
    fillerNames: objectNames,
    captionShare: 0.15,
    sample: (rng: Random) => (rng.chance(0.85) ? sampleScene(rng, { ...sampling, augment: rng.chance(augmentedShare) }) : sampleSingle(rng, { ...sampling, augment: rng.chance(augmentedShare) })),
  };
  return {
    name: "chat",
    training: chatTrainingGraph(shape),
    schedule: { peak: 1e-3, warmupSteps: 200, totalSteps: steps, floor: 0.03 },
    weightDecay: 0.05,
    batchSize: shape.images,
    seed,
    rateFactor: ({ name }) => (/^(vision_model|text_model|logit)/.test(name) ? towerRate : 1),
    initialise: async (parameters) => {
      initialiseParameters(parameters, Random.fromSeed(seed, 1), { ...miniVision, layers: miniDecoder.layers });
      await using towers = await openWeights(path.join(folder, "towers.safetensors"));
      for (const { name } of parameters.slots) if (towers.tensors.has(name)) parameters.get(name).set(await towers.readFloat32(name));
    },
    batch: (rng) => chatBatch(rng, shape, sources),
    evaluateEvery: 1000,
  };
}
