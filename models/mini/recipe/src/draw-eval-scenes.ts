import { mkdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { heldOutStyles } from "./art/art-sets.js";
import { loadSprites } from "./art/sprites.js";
import { canonicalCaption } from "./language/captions.js";
import { questionOfKind } from "./language/questions.js";
import { objectNames, objects } from "./objects.js";
import { Random } from "./scenes/random.js";
import { renderSceneLarge } from "./scenes/render-scene.js";
import { sampleTestScene } from "./scenes/scene.js";
import { writeFileAtomically } from "./write-file-atomically.js";

/** No other scenes are drawn from it: neither training's, nor examples', nor the card's figures'. */
const evalSeed = 900;
const scenesOfStyle = 36;
const side = 160;

/** Draws evals/data/emoji-scenes: pictures in styles that mini was never trained on, with captions, names and one question each. */
const folder = fileURLToPath(new URL("../../../../evals/data/emoji-scenes/", import.meta.url));
await mkdir(folder, { recursive: true });
const sprites = await loadSprites({ styles: heldOutStyles, names: objectNames });
const lines: string[] = [];
for (const style of heldOutStyles) {
  for (let i = 0; i < scenesOfStyle; i++) {
    const spec = sampleTestScene(evalSeed, i, style, { names: objectNames, sprites });
    const asked = questionOfKind(spec, Random.fromSeed("eval questions", evalSeed, i, style), "presence");
    if (asked === undefined) throw new Error(`scene ${i} in ${style}: no question about what is there`);
    const file = `${style}-${String(i).padStart(2, "0")}.png`;
    await writeFileAtomically(path.join(folder, file), await renderSceneLarge(spec, side));
    const names = [...new Set(spec.objects.map((object) => object.name))];
    lines.push(JSON.stringify({ file, style, names, caption: canonicalCaption(spec), question: asked.question, answer: asked.answer.startsWith("Yes") ? "yes" : "no" }));
  }
}
await writeFileAtomically(path.join(folder, "scenes.jsonl"), `${lines.join("\n")}\n`);
await writeFileAtomically(path.join(folder, "names.json"), `${JSON.stringify(Object.fromEntries(objects.map(({ name, plural }) => [name, plural])), null, 1)}\n`);
