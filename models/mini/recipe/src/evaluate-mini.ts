import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { Presets, SingleBar } from "cli-progress";
import sharp from "sharp";
import { loadVisionChat, type VisionChat } from "sightline";
import { heldOutStyles, trainStyles } from "./art/art-sets.js";
import { loadSprites, type Sprites } from "./art/sprites.js";
import { questionOfKind } from "./language/questions.js";
import { objectF1, scoreCaption } from "./language/scores.js";
import { objectNames } from "./objects.js";
import { Random } from "./scenes/random.js";
import { SceneRenderer } from "./scenes/render-scene.js";
import { sampleTestScene, type SceneSpec } from "./scenes/scene.js";
import { writeFileAtomically } from "./write-file-atomically.js";

/** Seed of the test scenes; the training stages draw theirs from other seeds. */
const testSeed = 500;
const pictureSide = 256;

export interface SetFigures {
  readonly scenes: number;
  /** F1 of the object names in the answers to "What do you see?", over all scenes together. */
  readonly objectF1: number;
  /** Share of right answers to one presence question a scene, half of them about things that are not there. */
  readonly yesNoAccuracy: number;
  /** The same two with every question asked about the picture of another scene. */
  readonly shuffled: { readonly objectF1: number; readonly yesNoAccuracy: number };
}

/** Scores a model directory on the seeded test scenes of a style, or of all trained styles in turn. */
async function evaluateSet(chat: VisionChat, sprites: Sprites, styles: readonly string[], count: number, name: string): Promise<SetFigures> {
  const renderer = new SceneRenderer(sprites, pictureSide);
  const specs = Array.from({ length: count }, (_, i) => sampleTestScene(testSeed, i, styles[i % styles.length] as string, { names: objectNames, sprites }));
  const answers: { caption: string; presence: string }[] = [];
  const questions = specs.map((spec, i) => questionOfKind(spec, Random.fromSeed("test questions", testSeed, i), "presence"));
  const shuffledAnswers: string[] = [];
  const bar = new SingleBar({ format: `${name} [{bar}] {value}/{total} {eta_formatted} left`, noTTYOutput: true, notTTYSchedule: 30_000 }, Presets.shades_classic);
  bar.start(count, 0);
  for (const [i, spec] of specs.entries()) {
    const picture = await drawPicture(renderer, spec);
    const presence = questions[i]?.question ?? "";
    const other = questions[(i + 1) % count]?.question ?? "";
    answers.push({ caption: await ask(chat, picture, "What do you see?"), presence: await ask(chat, picture, presence) });
    shuffledAnswers.push(await ask(chat, picture, other));
    bar.update(i + 1);
  }
  bar.stop();
  const saysYes = (answer: string): boolean => /^yes\b/i.test(answer.trim());
  const right = (answer: string, index: number): boolean => saysYes(answer) === saysYes(questions[index]?.answer ?? "");
  const share = (flags: readonly boolean[]): number => flags.filter(Boolean).length / flags.length;
  return {
    scenes: count,
    objectF1: objectF1(specs.map((spec, i) => scoreCaption(answers[i]?.caption ?? "", spec))),
    yesNoAccuracy: share(answers.map(({ presence }, i) => right(presence, i))),
    shuffled: {
      objectF1: objectF1(specs.map((spec, i) => scoreCaption(answers[(i + 1) % count]?.caption ?? "", spec))),
      yesNoAccuracy: share(shuffledAnswers.map((answer, i) => right(answer, (i + 1) % count))),
    },
  };
}

async function drawPicture(renderer: SceneRenderer, spec: SceneSpec): Promise<Buffer> {
  const pixels = new Uint8Array(pictureSide ** 2 * 3);
  renderer.render(spec, pixels, 0);
  return sharp(pixels, { raw: { width: pictureSide, height: pictureSide, channels: 3 } }).png({ compressionLevel: 1 }).toBuffer();
}

async function ask(chat: VisionChat, image: Uint8Array, text: string): Promise<string> {
  const reply = chat.stream({ messages: [{ role: "user", content: [{ type: "image", image }, { type: "text", text }] }], maxTokens: 48 });
  return (await reply.result).text;
}

const { values } = parseArgs({
  options: {
    model: { type: "string", default: fileURLToPath(new URL("../../", import.meta.url)) },
    scenes: { type: "string", default: "500" },
    out: { type: "string" },
  },
});
const sprites = await loadSprites({ styles: [...trainStyles, ...heldOutStyles], names: objectNames });
await using chat = await loadVisionChat(values.model);
const sets: readonly (readonly [string, readonly string[]])[] = [["trained styles", trainStyles], ...heldOutStyles.map((style) => [style, [style]] as const)];
const figures: Record<string, SetFigures> = {};
for (const [name, styles] of sets) {
  figures[name] = await evaluateSet(chat, sprites, styles, Number(values.scenes), name);
  process.stderr.write(`${name}: ${JSON.stringify(figures[name])}\n`);
}
const json = `${JSON.stringify(figures, null, 2)}\n`;
process.stdout.write(json);
if (values.out !== undefined) await writeFileAtomically(values.out, json);
