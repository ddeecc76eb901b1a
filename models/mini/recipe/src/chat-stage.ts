import path from "node:path";
import { patchCount } from "@sightline/vision-tower";
import { openWeights } from "@sightline/weights";
import { trainStyles } from "./art/art-sets.js";
import type { Sprites } from "./art/sprites.js";
import { chatBatch, type ChatBatchSources } from "./chat-batches.js";
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

const textTokens = 72;

/** What the stages of conversations differ in. */
interface Course {
  readonly name: "chat" | "questions" | "mixed";
  readonly seed: number;
  /** The stage whose parameters this one starts from. */
  readonly from: "towers" | "chat" | "questions";
  readonly peak: number;
  readonly warmupSteps: number;
  /** Learning rate of the towers against that of projector and decoder. */
  readonly towerRate: number;
  /** Share of pictures whose drawings are changed, for styles that were never seen; all of them would be too hard a start. */
  readonly augmentedShare: number;
  readonly questionShares: ChatBatchSources["questionShares"];
  readonly lateCaptionShare: number;
}

/**
 * Second stage: projector and decoder on conversations about scenes, the towers following. The sigmoid loss stays beside
 * the decoder's, so that the pooled embedding keeps its meaning.
 */
export function chatStage(sprites: Sprites, options: StageOptions): Promise<Stage> {
  return conversations(sprites, options, {
    name: "chat",
    seed: 20261125,
    from: "towers",
    peak: 1e-3,
    warmupSteps: 200,
    towerRate: 1,
    augmentedShare: 0.35,
    questionShares: {},
    lateCaptionShare: 0.5,
  });
}

/**
 * Third stage: mostly "is there a …?", with no caption before it. To name what is seen the decoder reads the patches; to
 * say whether a word is there it must look for it among them, and as long as captions give the answer away it does not.
 */
export function questionsStage(sprites: Sprites, options: StageOptions): Promise<Stage> {
  return conversations(sprites, options, {
    name: "questions",
    seed: 20261126,
    from: "chat",
    peak: 1e-3,
    warmupSteps: 30,
    towerRate: 0.1,
    augmentedShare: 0.25,
    questionShares: { describe: 0.12, presence: 1 },
    lateCaptionShare: 1,
  });
}

/** Fourth stage, short: captions first and questions first, half and half, since the third leaves no caption at the start. */
export function mixedStage(sprites: Sprites, options: StageOptions): Promise<Stage> {
  return conversations(sprites, options, {
    name: "mixed",
    seed: 20261127,
    from: "questions",
    peak: 5e-4,
    warmupSteps: 10,
    towerRate: 0.1,
    augmentedShare: 0.35,
    questionShares: { describe: 0.6, presence: 0.5 },
    lateCaptionShare: 0.3,
  });
}

async function conversations(sprites: Sprites, { folder, steps }: StageOptions, course: Course): Promise<Stage> {
  const { seed, augmentedShare, towerRate } = course;
  const text = await readTextTokenizer(folder);
  const chat = await readChatTokenizer(folder);
  const shape = {
    conversations: 32,
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
    questionShares: course.questionShares,
    lateCaptionShare: course.lateCaptionShare,
    sample: (rng: Random) => (rng.chance(0.85) ? sampleScene(rng, { ...sampling, augment: rng.chance(augmentedShare) }) : sampleSingle(rng, { ...sampling, augment: rng.chance(augmentedShare) })),
  };
  return {
    name: course.name,
    training: chatTrainingGraph(shape),
    schedule: { peak: course.peak, warmupSteps: course.warmupSteps, totalSteps: steps, floor: 0.03 },
    weightDecay: 0.05,
    batchSize: shape.conversations,
    seed,
    rateFactor: ({ name }) => (/^(vision_model|text_model|logit)/.test(name) ? towerRate : 1),
    initialise: async (parameters) => {
      initialiseParameters(parameters, Random.fromSeed(seed, 1), { ...miniVision, layers: miniDecoder.layers });
      await using before = await openWeights(path.join(folder, `${course.from}.safetensors`));
      for (const { name } of parameters.slots) if (before.tensors.has(name)) parameters.get(name).set(await before.readFloat32(name));
    },
    batch: (rng) => chatBatch(rng, shape, sources),
    evaluateEvery: 1000,
  };
}
