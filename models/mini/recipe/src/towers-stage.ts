import { patchCount } from "@sightline/vision-tower";
import type { ParameterSet } from "@sightline/contrastive";
import { trainStyles } from "./art/art-sets.js";
import type { Sprites } from "./art/sprites.js";
import { initialiseParameters } from "./initial-parameters.js";
import { miniVision } from "./mini-config.js";
import { objectNames } from "./objects.js";
import { Random } from "./scenes/random.js";
import { SceneRenderer } from "./scenes/render-scene.js";
import { sampleScene, sampleSingle, type SceneSpec } from "./scenes/scene.js";
import type { Stage, StageOptions } from "./stage.js";
import { TextTokens } from "./text-tokens.js";
import { readTextTokenizer } from "./text-tokenizer.js";
import { towerBatch, type TowerBatchSources } from "./tower-batches.js";
import { towerTrainingGraph } from "./tower-graph.js";
import { zeroShotAccuracy, type LabelledImage } from "./zero-shot.js";

const seed = 20261123;
/**
 * Shares of pictures with several objects, and of those whose drawings are changed: none at first, since both make for a
 * slow start, then more of them up to these at the end of `ramp`.
 */
const sceneShare = 0.6;
const augmentedShare = 0.4;
const ramp = { start: 0.1, end: 0.5 };

/** First stage: both towers with the sigmoid loss, on single objects and later scenes too, half of the patches dropped at random. */
export async function towersStage(sprites: Sprites, { folder, steps }: StageOptions): Promise<Stage> {
  const tokenizer = await readTextTokenizer(folder);
  const tokens = new TextTokens(tokenizer.json);
  const renderer = new SceneRenderer(sprites);
  const shape = { images: 64, texts: 112, patches: patchCount(miniVision) / 2, vocabularySize: tokenizer.size };
  const sources = (progress: number): TowerBatchSources => {
    const hardness = Math.min(1, Math.max(0, (progress - ramp.start) / (ramp.end - ramp.start)));
    const sample = (rng: Random): SceneSpec => {
      const options = { names: objectNames, styles: trainStyles, sprites, augment: rng.chance(hardness * augmentedShare) };
      return rng.chance(hardness * sceneShare) ? sampleScene(rng, options) : sampleSingle(rng, options);
    };
    return { renderer, tokens, fillerNames: objectNames, captionShare: 0, sample };
  };
  return {
    name: "towers",
    training: towerTrainingGraph(shape),
    schedule: { peak: 2e-3, warmupSteps: 100, totalSteps: steps, floor: 0.05 },
    weightDecay: 0.05,
    // Temperature and bias are single numbers that have far to go; at the matrices' rate the embeddings would move instead.
    rateFactor: ({ name }) => (name.startsWith("logit_") ? 10 : 1),
    batchSize: shape.images,
    seed: seed + 1,
    initialise: async (parameters) => initialiseParameters(parameters, Random.fromSeed(seed, 2), miniVision),
    batch: (rng, progress) => towerBatch(rng, shape, sources(progress)),
    evaluate: async (parameters: ParameterSet) => ({
      zeroShot: await zeroShotAccuracy(parameters, tokenizer.size, tokens, objectNames, validationImages(sprites, renderer)),
    }),
    evaluateEvery: 1000,
  };
}

/** 512 unaugmented single objects in trained styles, to watch the towers by. */
function validationImages(sprites: Sprites, renderer: SceneRenderer): LabelledImage[] {
  const rng = Random.fromSeed(seed, 3);
  return Array.from({ length: 512 }, () => {
    const spec = sampleSingle(rng, { names: objectNames, styles: trainStyles, sprites, augment: false });
    const pixels = new Uint8Array(miniVision.imageSize ** 2 * 3);
    renderer.render(spec, pixels, 0);
    return { pixels, name: spec.objects[0]?.name ?? "" };
  });
}
