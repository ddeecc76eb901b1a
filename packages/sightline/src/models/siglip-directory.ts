import path from "node:path";
import { checkpointDirectory } from "@sightline/vision-tower";
import { miniDirectory } from "./model-files.js";

/**
 * The folder or file of a SigLIP checkpoint: `mini`, the one that comes with the package; a path as it is named; a known
 * model's name or a hub name, where the Hugging Face cache has it.
 * @throws ConfigError naming the command that downloads, for a name that the cache lacks
 */
export async function siglipDirectory(model: string): Promise<string> {
  return model === "mini" ? path.join(miniDirectory(), "siglip") : checkpointDirectory(model);
}
