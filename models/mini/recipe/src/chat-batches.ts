import { packConversations, type TokenizedConversation } from "@sightline/contrastive";
import type { TensorValue } from "@sightline/graph";
import { patchCount } from "@sightline/vision-tower";
import { miniText, miniVision } from "./mini-config.js";
import { patchNames } from "./patch-names.js";
import { copyPatch, patchWidth } from "./patches.js";
import { questionsFor, type QuestionKind } from "./language/questions.js";
import type { Random } from "./scenes/random.js";
import type { SceneRenderer } from "./scenes/render-scene.js";
import type { SceneSpec } from "./scenes/scene.js";
import type { ChatBatchShape } from "./chat-graph.js";
import type { ChatTokens } from "./chat-tokens.js";
import { labelledTexts, type TextSources } from "./tower-batches.js";

export interface ChatBatchSources extends TextSources {
  readonly renderer: SceneRenderer;
  readonly chat: ChatTokens;
  readonly sample: (rng: Random) => SceneSpec;
  /** How often a kind of question is drawn, where that is not as usual. */
  readonly questionShares: Partial<Record<QuestionKind, number>>;
  /** Share of conversations whose caption comes last. A caption gives the answers to most questions after it; put last, it leaves those to the image. */
  readonly lateCaptionShare: number;
}

/** More questions than fit are drawn, so that a conversation fills its tokens. */
const questionsDrawn = 8;
const systemShare = 0.05;
const systemTexts = ["You are a helpful assistant.", "You are a helpful assistant that describes images.", "Answer questions about the image."];

/** A batch of conversations about rendered scenes, in the inputs of `chatTrainingGraph`. */
export function chatBatch(rng: Random, shape: ChatBatchShape, sources: ChatBatchSources): Record<string, TensorValue> {
  const { conversations: images, textTokens, texts } = shape;
  const patches = patchCount(miniVision);
  const image = new Uint8Array(miniVision.imageSize ** 2 * 3);
  const pixels = new Uint8Array(images * patches * patchWidth);
  const scenes: SceneSpec[] = [];
  const chats: TokenizedConversation[] = [];
  for (let b = 0; b < images; b++) {
    const spec = sources.sample(rng);
    scenes.push(spec);
    sources.renderer.render(spec, image, 0);
    for (let p = 0; p < patches; p++) copyPatch(image, p, pixels, (b * patches + p) * patchWidth);
    const system = rng.chance(systemShare) ? rng.choice(systemTexts) : undefined;
    const questions = questionsFor(spec, rng, questionsDrawn, sources.questionShares);
    if (rng.chance(sources.lateCaptionShare)) questions.sort((a, b) => Number(a.kind === "describe") - Number(b.kind === "describe"));
    chats.push(sources.chat.encode(questions, textTokens, system));
  }
  const names = labelledTexts(rng, scenes, texts, sources);
  return {
    patches: { dtype: "uint8", shape: [images, patches, patchWidth], data: pixels },
    ...packConversations(chats, shape, sources.chat.pad, images * patches, (b) => b * patches).feeds,
    names: { dtype: "int64", shape: [texts, miniText.maxTokens], data: names.tokens },
    matches: { dtype: "float32", shape: [images, texts], data: names.labels },
    ...patchNames(scenes),
  };
}
