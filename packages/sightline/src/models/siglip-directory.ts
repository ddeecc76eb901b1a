import path from "node:path";
import { miniDirectory } from "./model-files.js";

/** The folder of a SigLIP checkpoint: `mini`, the one that comes with the package, or a folder as it is named. */
export function siglipDirectory(model: string): string {
  return model === "mini" ? path.join(miniDirectory(), "siglip") : model;
}
