import { loadSiglip as loadSiglipAt, type LoadOptions, type Siglip } from "@sightline/vision-tower";
import { siglipDirectory } from "./siglip-directory.js";

/**
 * Loads a SigLIP model: `mini`, the one that comes with the package; a Hugging Face directory of any SigLIP or SigLIP 2
 * (safetensors, or ONNX files of transformers.js' layout); the vision tower of an mmproj GGUF; or a hub name that the Hugging
 * Face cache has. Nothing is fetched; weights are read when a tower is first used.
 * @throws ConfigError naming the file and the field; WeightsError naming the tensor, its expected and its actual shape
 */
export async function loadSiglip(model: string = "mini", options: LoadOptions = {}): Promise<Siglip> {
  return loadSiglipAt(await siglipDirectory(model), options);
}
