import { writeFile } from "node:fs/promises";
import path from "node:path";
import { writeSafetensors } from "@sightline/weights";
import type { TrainedModel } from "./export-results.js";

/**
 * Writes a LoRA adapter alone, in the layout of Hugging Face's PEFT: `adapter_model.safetensors` and `adapter_config.json`.
 */
export async function writeAdapter({ config, parameters, lora }: Pick<TrainedModel, "config" | "parameters" | "lora">, folder: string): Promise<void> {
  if (!lora) throw new Error("writeAdapter: expected a run with trains.lora");
  const adapters = parameters.slots.filter(({ name }) => /\.lora_[AB]\.weight$/.test(name));
  await writeSafetensors(
    path.join(folder, "adapter_model.safetensors"),
    adapters.map(({ name, shape }) => ({ name: peftName(name), dtype: "F32" as const, shape, data: parameters.get(name) })),
    { format: "pt" },
  );
  const modules = [...new Set(adapters.map(({ name }) => peftModule(name)))];
  const settings = {
    peft_type: "LORA",
    base_model_name_or_path: config.model,
    r: lora.rank,
    lora_alpha: lora.alpha ?? lora.rank,
    lora_dropout: lora.dropout ?? 0,
    target_modules: modules,
    bias: "none",
    fan_in_fan_out: false,
    init_lora_weights: true,
    inference_mode: true,
    task_type: null,
  };
  await writeFile(path.join(folder, "adapter_config.json"), `${JSON.stringify(settings, null, 2)}\n`, { flush: true });
}

/** PEFT wraps the pooling head's attention as one module, whose packed input projection has the adapter itself. */
function peftName(name: string): string {
  const inside = name.replace(".attention.in_proj.lora_", ".attention.lora_").replace("head.attention.out_proj.lora_", "head.attention.base_layer.out_proj.lora_");
  return `base_model.model.${inside}`;
}

function peftModule(name: string): string {
  return name.replace(/\.lora_[AB]\.weight$/, "").replace(/\.attention\.(in|out)_proj$/, ".attention");
}
