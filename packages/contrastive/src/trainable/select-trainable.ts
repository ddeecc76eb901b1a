import { TrainingError } from "../training-error.js";
import { isTemperature, towerPlace, type TowerLayers } from "./tower-names.js";

/**
 * What of a tower is trained: all of it; nothing; the head after the last norm (the pooling head, the text's linear
 * layer), which can be trained on cached tokens; or the last blocks with all that follows them.
 */
export type TrainablePart = "all" | "none" | "head" | { readonly lastBlocks: number };

/** Which parts of two towers `selectTrainable` selects. */
export interface TrainableOptions {
  /** "all" by default; "none" is LiT with a locked image tower (Zhai et al. 2022). */
  readonly image?: TrainablePart;
  /** "all" by default; "none" is a locked text tower. */
  readonly text?: TrainablePart;
  /** Whether t' and b are trained; they are by default. */
  readonly temperature?: boolean;
  /** Needed to count blocks from the end. */
  readonly layers: TowerLayers;
}

/**
 * Whether a parameter is trained, by its name; one of neither tower (a projector, a patch classifier) is.
 * @throws TrainingError when more blocks are asked for than there are
 */
export function selectTrainable(options: TrainableOptions): (name: string) => boolean {
  const { image = "all", text = "all", temperature = true, layers } = options;
  const parts = { image, text };
  for (const tower of ["image", "text"] as const) {
    const part = parts[tower];
    if (typeof part === "object" && !(Number.isInteger(part.lastBlocks) && part.lastBlocks >= 0 && part.lastBlocks <= layers[tower])) {
      throw new TrainingError(`selectTrainable: the ${tower} tower has ${layers[tower]} blocks, got lastBlocks ${part.lastBlocks}`);
    }
  }
  return (name) => {
    if (isTemperature(name)) return temperature;
    const place = towerPlace(name, layers);
    if (!place) return true;
    const part = parts[place.tower];
    if (typeof part === "object") return place.depth > layers[place.tower] - part.lastBlocks;
    return part === "all" || (part === "head" && place.isHead);
  };
}
