import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { writeSafetensors, type TensorDtype } from "@sightline/weights";
import { familyCase } from "../../../projector/test/family-case.js";
import { seeded } from "../../../projector/test/seeded.js";

/** The name of a seeded model among the projector's goldens. */
export type SeededModel = "gemma3" | "idefics3" | "llava" | "llava-onevision" | "paligemma" | "lfm2_vl";

export interface SeededCheckpoint {
  readonly dtype?: TensorDtype;
  /** E, where it is another than the goldens' 20. */
  readonly width?: number;
  readonly config?: Readonly<Record<string, unknown>>;
}

/** How the hub's files name what transformers 5 names otherwise. */
function hubName(name: string, model: SeededModel): string {
  if (model === "idefics3") return `model.${name}`;
  return name.replace(/^vision_tower\./, "vision_tower.vision_model.");
}

/** The processor's settings that the reference converters were given. */
const processors: Readonly<Partial<Record<SeededModel, object>>> = { gemma3: { image_seq_length: 16 }, idefics3: { size: { longest_edge: 256 } } };

/** Writes one of the seeded models as a Hugging Face directory, as tools/reference/convert writes it for llama.cpp's converter. */
export async function writeSeededCheckpoint(directory: string, model: SeededModel, { dtype = "F32", width = 20, config = {} }: SeededCheckpoint = {}): Promise<string> {
  const read = familyCase(model);
  await mkdir(directory, { recursive: true });
  const text = { ...(read.config["text_config"] as object), hidden_size: width };
  await writeFile(path.join(directory, "config.json"), JSON.stringify({ ...read.config, text_config: text, ...config }));
  await writeFile(path.join(directory, "preprocessor_config.json"), JSON.stringify({ image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5], ...processors[model] }));
  const tensors = read.tensors.map(({ name, shape, scale, offset }) => {
    // Only the projector has sides of the goldens' 20.
    const sides = /^(vision_tower|vision_model)\./.test(name) ? shape : shape.map((side) => (side === 20 ? width : side));
    return { name: hubName(name, model), dtype, shape: sides, data: seeded(name, sides, scale, offset) };
  });
  await writeSafetensors(path.join(directory, "model.safetensors"), tensors, { format: "pt" });
  return directory;
}
