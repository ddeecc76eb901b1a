import type { ParameterSlot } from "../parameter-set.js";
import { TrainingError } from "../training-error.js";
import { isTemperature, towerPlace, type TowerLayers } from "./tower-names.js";

/** Factors on the learning rate by tower and by block; see `towerRates`. */
export interface TowerRateOptions {
  readonly layers: TowerLayers;
  /** Factor on the image tower's rate, 1 by default; 0.1 suits one that is pretrained beside a text tower that is not. */
  readonly image?: number;
  /** Factor on the text tower's rate, 1 by default. */
  readonly text?: number;
  /** Factor on the rate of t' and b, 1 by default. */
  readonly temperature?: number;
  /** Each block learns this much slower than the one after it, 1 (no difference) by default; what follows the blocks learns at the full rate. */
  readonly layerDecay?: number;
}

/**
 * Factors on the learning rate for AdamW's `rateFactor`: by tower, and by depth, layerDecay^(L + 1 - depth), with the
 * embeddings at depth 0 and block i at i + 1 (Clark et al. 2020; Bao et al. 2022).
 * @throws TrainingError when a factor is negative
 */
export function towerRates(options: TowerRateOptions): (slot: Pick<ParameterSlot, "name">) => number {
  const { layers, temperature = 1, layerDecay = 1 } = options;
  const rates = { image: options.image ?? 1, text: options.text ?? 1 };
  for (const [name, factor] of Object.entries({ ...rates, temperature, layerDecay })) {
    if (!(factor >= 0)) throw new TrainingError(`towerRates: expected ${name} to be at least 0, got ${factor}`);
  }
  return ({ name }) => {
    if (isTemperature(name)) return temperature;
    const place = towerPlace(name, layers);
    return place ? rates[place.tower] * layerDecay ** (layers[place.tower] + 1 - place.depth) : 1;
  };
}
