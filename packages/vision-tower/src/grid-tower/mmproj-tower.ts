import type { WeightSource } from "@sightline/weights";
import { projectorType } from "../mmproj/mmproj-keys.js";
import { readMmprojQwen3 } from "../mmproj/read-mmproj-qwen3.js";
import { readMmprojVision } from "../mmproj/read-mmproj-vision.js";
import type { GridTower } from "./grid-tower.js";
import { qwen3GridTower } from "./qwen3-grid-tower.js";
import { siglipGridTower } from "./siglip-grid-tower.js";

/**
 * The tower of an mmproj GGUF, ready to be built for grids.
 * @throws WeightsError naming the key or tensor that shows that the tower is none of the known ones
 */
export function mmprojTower(source: WeightSource): GridTower {
  if (projectorType(source) === "qwen3vl_merger") return qwen3GridTower(source, readMmprojQwen3(source));
  return siglipGridTower(source, readMmprojVision(source));
}
