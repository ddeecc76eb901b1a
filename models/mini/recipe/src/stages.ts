import { trainStyles } from "./art/art-sets.js";
import { loadSprites, type Sprites } from "./art/sprites.js";
import { chatStage, mixedStage, questionsStage } from "./chat-stage.js";
import { objectNames } from "./objects.js";
import type { Stage, StageName, StageOptions } from "./stage.js";
import { towersStage } from "./towers-stage.js";

/** The drawings that training may show: every name of objects.json in the trained styles. */
export function trainingSprites(): Promise<Sprites> {
  return loadSprites({ styles: trainStyles, names: objectNames });
}

const stages: Readonly<Record<StageName, (sprites: Sprites, options: StageOptions) => Promise<Stage>>> = {
  towers: towersStage,
  chat: chatStage,
  questions: questionsStage,
  mixed: mixedStage,
};

/** A stage by name. */
export async function createStage(options: StageOptions): Promise<Stage> {
  return stages[options.stage](await trainingSprites(), options);
}
