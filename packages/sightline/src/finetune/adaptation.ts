import { loraTargets, selectTrainable, type AdaptedParameterOptions, type LoraOptions } from "@sightline/contrastive";
import type { FinetuneConfig } from "./finetune-settings.js";
import type { TrainingModel } from "./training-model.js";

/** What of the towers is trained, and whether one of them starts from features that never change. */
export interface Adaptation {
  readonly adaptation: Omit<AdaptedParameterOptions, "frozen">;
  readonly lora?: LoraOptions;
  /** What is trained of a tower whose features can be kept; undefined where its blocks are trained. */
  readonly frozen: Readonly<Record<"image" | "text", "none" | "head" | undefined>>;
}

/** @throws TrainingError when more blocks are asked for than there are, or an adapter makes no sense */
export function adaptationOf({ trains, data, cacheFeatures = true }: FinetuneConfig, { towers }: TrainingModel): Adaptation {
  const { lora: asked } = trains;
  // A picture that is augmented has other features each time.
  const keeps = { image: cacheFeatures && !data.augment, text: cacheFeatures };
  if (!asked) {
    const frozenPart = (tower: "image" | "text"): "none" | "head" | undefined => {
      const part = trains[tower];
      return keeps[tower] && (part === "none" || part === "head") ? part : undefined;
    };
    return { adaptation: { trains: selectTrainable({ ...trains, layers: towers.layers }) }, frozen: { image: frozenPart("image"), text: frozenPart("text") } };
  }
  const targets = loraTargets(asked.parts);
  const prefixes = asked.towers.map((tower) => (tower === "image" ? "vision_model." : "text_model."));
  const lora: LoraOptions = {
    rank: asked.rank,
    dropout: asked.dropout,
    ...(asked.alpha === undefined ? {} : { alpha: asked.alpha }),
    targets: (name) => targets(name) && prefixes.some((prefix) => name.startsWith(prefix)),
  };
  const frozenTower = (tower: "image" | "text"): "none" | undefined => (keeps[tower] && !asked.towers.includes(tower) ? "none" : undefined);
  return { adaptation: { trains: () => false, lora }, lora, frozen: { image: frozenTower("image"), text: frozenTower("text") } };
}
