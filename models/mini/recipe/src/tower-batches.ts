import type { TensorValue } from "@sightline/graph";
import { miniText, miniVision } from "./mini-config.js";
import { patchNames } from "./patch-names.js";
import { copyPatch, patchWidth } from "./patches.js";
import { captionFor } from "./language/captions.js";
import type { Random } from "./scenes/random.js";
import type { SceneRenderer } from "./scenes/render-scene.js";
import type { SceneSpec } from "./scenes/scene.js";
import type { TowerBatchShape } from "./tower-graph.js";
import type { TextTokens } from "./text-tokens.js";

/** How a name is put to the text tower: mostly bare or with an article, as people write labels. */
const namePhrases: readonly ((name: string) => string)[] = [
  (name) => name,
  (name) => `a ${name}`,
  (name) => `a photo of a ${name}`,
  (name) => `a picture of a ${name}`,
  (name) => `this is a ${name}`,
  (name) => `there is a ${name} in the picture`,
];

export interface TowerBatchSources extends TextSources {
  readonly renderer: SceneRenderer;
  readonly sample: (rng: Random) => SceneSpec;
}

/** A batch for the sigmoid loss: B images, M texts, and which text is true of which image. */
export function towerBatch(rng: Random, shape: TowerBatchShape, sources: TowerBatchSources): Record<string, TensorValue> {
  const { images, texts, patches } = shape;
  const all = (miniVision.imageSize / miniVision.patchSize) ** 2;
  const image = new Uint8Array(miniVision.imageSize ** 2 * 3);
  const pixels = new Uint8Array(images * patches * patchWidth);
  const positions = new BigInt64Array(images * patches);
  const order = Array.from({ length: all }, (_, i) => i);
  const scenes: SceneSpec[] = [];
  for (let i = 0; i < images; i++) {
    const spec = sources.sample(rng);
    scenes.push(spec);
    sources.renderer.render(spec, image, 0);
    if (patches < all) rng.shuffle(order);
    for (let k = 0; k < patches; k++) {
      const position = order[k] as number;
      positions[i * patches + k] = BigInt(position);
      copyPatch(image, position, pixels, (i * patches + k) * patchWidth);
    }
  }

  const { tokens, labels } = labelledTexts(rng, scenes, texts, sources);
  const batch: Record<string, TensorValue> = {
    patches: { dtype: "uint8", shape: [images, patches, patchWidth], data: pixels },
    tokens: { dtype: "int64", shape: [texts, miniText.maxTokens], data: tokens },
    labels: { dtype: "float32", shape: [images, texts], data: labels },
    ...patchNames(scenes, positions),
  };
  if (patches < all) batch["positions"] = { dtype: "int64", shape: [images, patches], data: positions };
  return batch;
}

export interface TextSources {
  readonly tokens: TextTokens;
  /** Names that fill the texts up to M with ones that are true of no image, or of few. */
  readonly fillerNames: readonly string[];
  /** Share of texts that are whole captions of scenes. */
  readonly captionShare: number;
}

/**
 * Texts for images, and which is true of which. A name is true of every image that shows it; a caption is true of its
 * own image and left out of the loss for others that show the same names.
 * @returns tokens int64[M, T] and labels float32[B, M]
 */
export function labelledTexts(
  rng: Random,
  scenes: readonly SceneSpec[],
  texts: number,
  sources: TextSources,
): { readonly tokens: BigInt64Array; readonly labels: Float32Array } {
  const captions = Math.floor(texts * sources.captionShare);
  const shown = scenes.map((scene) => new Set(scene.objects.map((object) => object.name)));
  const names = chooseNames(rng, shown, texts - captions, sources.fillerNames);
  const tokens = new BigInt64Array(texts * miniText.maxTokens);
  const labels = new Float32Array(scenes.length * texts).fill(-1);
  names.forEach((name, column) => {
    tokens.set(sources.tokens.encode(rng.choice(namePhrases)(name.replaceAll("-", " "))), column * miniText.maxTokens);
    shown.forEach((set, row) => {
      if (set.has(name)) labels[row * texts + column] = 1;
    });
  });
  for (let c = 0; c < captions; c++) {
    const column = names.length + c;
    const own = rng.int(scenes.length);
    tokens.set(sources.tokens.encode(captionFor(scenes[own] as SceneSpec, rng)), column * miniText.maxTokens);
    const needed = [...(shown[own] as Set<string>)];
    shown.forEach((set, row) => {
      if (row === own) labels[row * texts + column] = 1;
      else if (needed.every((name) => set.has(name))) labels[row * texts + column] = 0;
    });
  }
  return { tokens, labels };
}

/** Names shown somewhere in the batch first (a random part of them when they are too many), then others. */
function chooseNames(rng: Random, shown: readonly ReadonlySet<string>[], count: number, fillers: readonly string[]): string[] {
  const present = [...new Set(shown.flatMap((set) => [...set]))];
  rng.shuffle(present);
  const names = new Set(present.slice(0, count));
  while (names.size < count) names.add(rng.choice(fillers));
  return [...names];
}
