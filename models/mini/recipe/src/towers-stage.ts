import { patchCount } from "@sightline/vision-tower";
import type { ParameterSet } from "@sightline/contrastive";
import { trainStyles } from "./art/art-sets.js";
import { extraNames } from "./art/extra-names.js";
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
import { towerBatch } from "./tower-batches.js";
import { towerTrainingGraph } from "./tower-graph.js";
import { zeroShotAccuracy, type LabelledImage } from "./zero-shot.js";

const seed = 20261123;
/** Shares of pictures: a single name of objects.json, one of the extra names to widen what the tower has seen, a scene. */
const shares = { known: 0.62, extra: 0.06, scene: 0.32 };
/** Share of pictures whose drawings are changed; plain ones are easier to start on. */
const augmentedShare = 0.25;

/** First stage: both towers with the sigmoid loss, mostly on single objects, half of the patches dropped at random. */
export async function towersStage(sprites: Sprites, { folder, steps }: StageOptions): Promise<Stage> {
  const tokenizer = await readTextTokenizer(folder);
  const tokens = new TextTokens(tokenizer.json);
  const renderer = new SceneRenderer(sprites);
  const shape = { images: 64, texts: 112, patches: patchCount(miniVision) / 2, vocabularySize: tokenizer.size };
  const sample = (rng: Random): SceneSpec => {
    const kind = rng.weighted(Object.values(shares));
    const options = { names: kind === 1 ? extraNames : objectNames, styles: trainStyles, sprites, augment: rng.chance(augmentedShare) };
    return kind === 2 ? sampleScene(rng, options) : sampleSingle(rng, options);
  };
  const sources = { renderer, tokens, fillerNames: objectNames, captionShare: 0, sample };
  return {
    name: "towers",
    training: towerTrainingGraph(shape),
    schedule: { peak: 1e-3, warmupSteps: 300, totalSteps: steps, floor: 0.05 },
    weightDecay: 0.05,
    // Temperature and bias are single numbers that have far to go; at the matrices' rate the embeddings would move instead.
    rateFactor: ({ name }) => (name.startsWith("logit_") ? 10 : 1),
    batchSize: shape.images,
    seed: seed + 1,
    initialise: async (parameters) => initialiseParameters(parameters, Random.fromSeed(seed, 2), miniVision.layers),
    batch: (rng) => towerBatch(rng, shape, sources),
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
