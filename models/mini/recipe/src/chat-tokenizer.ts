import path from "node:path";
import { trainStyles } from "./art/art-sets.js";
import type { Sprites } from "./art/sprites.js";
import { questionsFor } from "./language/questions.js";
import { chatSpecials } from "./mini-config.js";
import { objects } from "./objects.js";
import { Random } from "./scenes/random.js";
import { sampleScene } from "./scenes/scene.js";
import { readTokenizer, type StoredTokenizer } from "./text-tokenizer.js";
import { tokenizerJson, trainBytePairs } from "./tokenizer/byte-level-bpe.js";
import { writeFileAtomically } from "./write-file-atomically.js";

const seed = 20261124;
/** Conversations that the vocabulary is learnt from; enough that every wording occurs. */
const conversations = 12_000;

const fileOf = (folder: string): string => path.join(folder, "chat-tokenizer.json");

/** Makes the decoder's tokenizer.json from questions and answers about sampled scenes. */
export async function writeChatTokenizer(sprites: Sprites, folder: string): Promise<void> {
  const rng = Random.fromSeed(seed, 0);
  const names = objects.map(({ name }) => name);
  const texts = ["system\n", "user\n", "assistant\n", "You are a helpful assistant that describes images. Answer questions about the image."];
  // Names in every form, so that each is one token wherever it stands.
  for (const { name, plural } of objects) for (let i = 0; i < 3; i++) texts.push(name, plural, `a ${name} ${plural}`);
  for (let i = 0; i < conversations; i++) {
    const spec = sampleScene(rng, { names, styles: trainStyles, sprites, augment: false });
    for (const { question, answer } of questionsFor(spec, rng, 6)) texts.push(question, answer);
  }
  const vocabulary = trainBytePairs(texts, 2045, 3);
  await writeFileAtomically(fileOf(folder), JSON.stringify(tokenizerJson(vocabulary, Object.values(chatSpecials), false)));
}

/** Reads what `writeChatTokenizer` wrote. */
export function readChatTokenizer(folder: string): Promise<StoredTokenizer> {
  return readTokenizer(fileOf(folder));
}
