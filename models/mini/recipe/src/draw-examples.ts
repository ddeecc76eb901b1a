import { mkdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { heldOutStyles, trainStyles } from "./art/art-sets.js";
import { loadSprites } from "./art/sprites.js";
import { canonicalCaption } from "./language/captions.js";
import { objectNames } from "./objects.js";
import { renderSceneLarge } from "./scenes/render-scene.js";
import { sampleTestScene } from "./scenes/scene.js";
import { writeFileAtomically } from "./write-file-atomically.js";

/**
 * Scenes of a seed of their own, picked because mini answers them right (examples/README.md says out of how many). The
 * last three are in styles that it was never trained on.
 */
const chosen: readonly (readonly [file: string, style: string, index: number])[] = [
  ["scene", "twemoji", 43],
  ["crab", "noto", 44],
  ["rainbow", "twemoji", 8],
  ["shamrock", "twemoji", 13],
  ["panda", "fluent-emoji-flat", 18],
  ["rose", "fluent-emoji-flat", 38],
  ["bell", "noto-v1", 41],
  ["held-out-pear", "emojione", 47],
  ["held-out-pig", "emojione", 45],
  ["held-out-fire", "emojione", 38],
];
const exampleSeed = 77;
const side = 384;

/** Draws examples/*.png, and examples.json with what each shows. */
const folder = fileURLToPath(new URL("../../../../examples/", import.meta.url));
await mkdir(folder, { recursive: true });
const sprites = await loadSprites({ styles: [...trainStyles, ...heldOutStyles], names: objectNames });
const index: { file: string; style: string; objects: string[]; caption: string }[] = [];
for (const [name, style, number] of chosen) {
  const spec = sampleTestScene(exampleSeed, number, style, { names: objectNames, sprites });
  await writeFileAtomically(path.join(folder, `${name}.png`), await renderSceneLarge(spec, side));
  index.push({ file: `${name}.png`, style, objects: spec.objects.map((object) => object.name), caption: canonicalCaption(spec) });
}
await writeFileAtomically(path.join(folder, "examples.json"), `${JSON.stringify(index, null, 2)}\n`);
