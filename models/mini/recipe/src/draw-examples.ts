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

/** Scenes of a seed of their own, chosen by hand for showing: which one, in which style. Three are in styles never trained on. */
const chosen: readonly (readonly [file: string, style: string, index: number])[] = [
  ["scene", "noto", 0],
  ["scene-2", "twemoji", 1],
  ["scene-3", "fluent-emoji-flat", 2],
  ["scene-4", "fluent-emoji", 3],
  ["scene-5", "noto-v1", 4],
  ["scene-6", "noto", 5],
  ["scene-7", "twemoji", 6],
  ["held-out-emojione-1", "emojione", 7],
  ["held-out-emojione-2", "emojione", 8],
  ["held-out-openmoji-1", "openmoji", 9],
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
