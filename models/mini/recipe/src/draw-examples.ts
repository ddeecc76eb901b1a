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
 * Scenes of a seed of their own, picked for variety among those that mini answers right (examples/README.md says out of
 * how many). The last four are in styles that it was never trained on.
 */
const chosen: readonly (readonly [file: string, style: string, index: number])[] = [
  ["scene", "noto", 10],
  ["sunflower-and-deer", "twemoji", 1],
  ["crabs", "twemoji", 17],
  ["airplane-and-eggplants", "fluent-emoji-flat", 6],
  ["penguins", "fluent-emoji-flat", 19],
  ["duck-eggplant-package", "fluent-emoji", 15],
  ["held-out-star-peach-taco", "emojione", 6],
  ["held-out-cookie-and-unicorn", "emojione", 12],
  ["held-out-droplet-and-penguin", "openmoji", 8],
  ["held-out-tractors", "openmoji", 3],
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
