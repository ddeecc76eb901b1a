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
import { sampleSingle } from "./scenes/scene.js";
import type { Stage, StageOptions } from "./stage.js";
import { TextTokens } from "./text-tokens.js";
import { readTextTokenizer } from "./text-tokenizer.js";
import { towerBatch } from "./tower-batches.js";
import { towerTrainingGraph } from "./tower-graph.js";
import { zeroShotAccuracy, type LabelledImage } from "./zero-shot.js";

const seed = 20261123;
/** Share of pictures that show a name of objects.json; the rest widen what the tower has seen. */
const knownShare = 0.7;

/** First stage: both towers with the sigmoid loss on single objects, half of the patches dropped at random. */
export async function towersStage(sprites: Sprites, { folder, steps }: StageOptions): Promise<Stage> {
  const tokenizer = await readTextTokenizer(folder);
  const tokens = new TextTokens(tokenizer.json);
  const renderer = new SceneRenderer(sprites);
  const shape = { images: 64, texts: 112, patches: patchCount(miniVision) / 2, vocabularySize: tokenizer.size };
  const sample = (names: readonly string[]) => (rng: Random) => sampleSingle(rng, { names, styles: trainStyles, sprites, augment: true });
  const known = sample(objectNames);
  const extra = sample(extraNames);
  const sources = { renderer, tokens, fillerNames: objectNames, captionShare: 0, sample: (rng: Random) => (rng.chance(knownShare) ? known(rng) : extra(rng)) };
  return {
    name: "towers",
    training: towerTrainingGraph(shape),
    schedule: { peak: 1e-3, warmupSteps: 300, totalSteps: steps, floor: 0.05 },
    weightDecay: 0.05,
    // The temperature starts far from where it ends; at the matrices' rate it would hold the loss back for long.
    rateFactor: ({ name }) => (name.startsWith("logit_") ? 5 : 1),
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
