import type { WeightSource } from "@sightline/weights";
import { readMmprojVision } from "../mmproj/read-mmproj-vision.js";
import type { GridTower } from "./grid-tower.js";
import { siglipGridTower } from "./siglip-grid-tower.js";

/**
 * The tower of an mmproj GGUF, ready to be built for grids.
 * @throws WeightsError naming the key or tensor that shows that the tower is none of the known ones
 */
export function mmprojTower(source: WeightSource): GridTower {
  return siglipGridTower(source, readMmprojVision(source));
}
