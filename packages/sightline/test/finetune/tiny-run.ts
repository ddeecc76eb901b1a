import { cp, mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { seededUniform } from "@sightline/contrastive";
import { writeSafetensors, type TensorToWrite } from "@sightline/weights";
import { finetune, type FinetuneEvent, type FinetuneSettings } from "../../src/index.js";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
export const miniSiglip: string = path.join(root, "models/mini/siglip");
export const examples: string = path.join(root, "examples");

const [width, mlpWidth, layers, side, patch, textTokens] = [32, 48, 2, 32, 8, 16];

/** A SigLIP checkpoint of 2 blocks with seeded weights and mini's tokenizer; or a NaFlex one, of 4 x 4 positions. */
export async function writeTinyCheckpoint(folder: string, { seed = 1, type = "siglip" }: { readonly seed?: number; readonly type?: "siglip" | "siglip2" } = {}): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) await cp(path.join(miniSiglip, name), path.join(folder, name));
  const mini = JSON.parse(await readFile(path.join(miniSiglip, "config.json"), "utf8")) as { text_config: { vocab_size: number } };
  const vocabulary = mini.text_config.vocab_size;
  const encoder = { hidden_size: width, intermediate_size: mlpWidth, num_hidden_layers: layers, num_attention_heads: 2 };
  await writeFile(
    path.join(folder, "config.json"),
    JSON.stringify({
      architectures: [type === "siglip" ? "SiglipModel" : "Siglip2Model"],
      model_type: type,
      vision_config: { ...encoder, patch_size: patch, ...(type === "siglip" ? { image_size: side } : { num_patches: (side / patch) ** 2 }) },
      text_config: { ...encoder, vocab_size: vocabulary, max_position_embeddings: textTokens, projection_size: width },
    }),
  );
  const normalization = { image_mean: [0.5, 0.4, 0.6], image_std: [0.5, 0.6, 0.4] };
  const preprocessor = type === "siglip" ? { size: { height: side, width: side }, resample: 3 } : { image_processor_type: "Siglip2ImageProcessor", patch_size: patch, max_num_patches: 24, resample: 2 };
  await writeFile(path.join(folder, "preprocessor_config.json"), JSON.stringify({ ...preprocessor, ...normalization }));
  const shapes = new Map<string, readonly number[]>([["logit_scale", [1]], ["logit_bias", [1]]]);
  const linear = (name: string, out: number, from: number): void => void shapes.set(`${name}.weight`, [out, from]).set(`${name}.bias`, [out]);
  const norm = (name: string): void => void shapes.set(`${name}.weight`, [width]).set(`${name}.bias`, [width]);
  for (const tower of ["vision_model", "text_model"]) {
    for (let i = 0; i < layers; i++) {
      const block = `${tower}.encoder.layers.${i}`;
      for (const name of ["q_proj", "k_proj", "v_proj", "out_proj"]) linear(`${block}.self_attn.${name}`, width, width);
      norm(`${block}.layer_norm1`);
      norm(`${block}.layer_norm2`);
      linear(`${block}.mlp.fc1`, mlpWidth, width);
      linear(`${block}.mlp.fc2`, width, mlpWidth);
    }
  }
  shapes.set("vision_model.embeddings.patch_embedding.weight", type === "siglip" ? [width, 3, patch, patch] : [width, 3 * patch * patch]).set("vision_model.embeddings.patch_embedding.bias", [width]);
  shapes.set("vision_model.embeddings.position_embedding.weight", [(side / patch) ** 2, width]);
  norm("vision_model.post_layernorm");
  shapes.set("vision_model.head.probe", [1, 1, width]).set("vision_model.head.attention.in_proj_weight", [3 * width, width]).set("vision_model.head.attention.in_proj_bias", [3 * width]);
  linear("vision_model.head.attention.out_proj", width, width);
  norm("vision_model.head.layernorm");
  linear("vision_model.head.mlp.fc1", mlpWidth, width);
  linear("vision_model.head.mlp.fc2", width, mlpWidth);
  shapes.set("text_model.embeddings.token_embedding.weight", [vocabulary, width]).set("text_model.embeddings.position_embedding.weight", [textTokens, width]);
  norm("text_model.final_layer_norm");
  linear("text_model.head", width, width);
  let drawn = 0;
  const tensors = [...shapes].map(([name, shape]): TensorToWrite => {
    const count = shape.reduce((product, dim) => product * dim, 1);
    const isGain = /norm\d?\.weight$/.test(name);
    const spread = shape.length === 1 ? 0.05 : 1 / Math.sqrt(count / (shape[0] as number));
    const data = Float32Array.from({ length: count }, () => (isGain ? 1 : 0) + spread * 1.7 * (2 * seededUniform(seed, drawn++) - 1));
    if (name === "logit_scale") data[0] = Math.log(10);
    if (name === "logit_bias") data[0] = -10;
    return { name, dtype: "F32", shape, data };
  });
  await writeSafetensors(path.join(folder, "model.safetensors"), tensors, { format: "pt" });
  return folder;
}

/** A folder of its own with a tiny checkpoint, and the example pictures as pairs. */
export async function tinyRun(): Promise<{ readonly folder: string; readonly settings: FinetuneSettings }> {
  const folder = await mkdtemp(path.join(tmpdir(), "finetune-"));
  const model = await writeTinyCheckpoint(path.join(folder, "tiny"));
  const listed = JSON.parse(await readFile(path.join(examples, "examples.json"), "utf8")) as { file: string; caption: string }[];
  const lines = listed.map(({ file, caption }) => JSON.stringify({ id: file, image: path.join(examples, file), captions: [caption, `a picture: ${caption}`] }));
  await writeFile(path.join(folder, "pairs.jsonl"), lines.join("\n"));
  const settings: FinetuneSettings = {
    model,
    out: path.join(folder, "run"),
    data: { train: path.join(folder, "pairs.jsonl"), validation: path.join(folder, "pairs.jsonl") },
    optimizer: { learningRate: 2e-3 },
    steps: 6,
    batchSize: 4,
    threads: 1,
    seed: 3,
    evaluate: { everySteps: 3 },
    checkpoints: { everySteps: 2 },
  };
  return { folder, settings };
}

/** All events of a run. */
export async function eventsOf(settings: FinetuneSettings, options: Parameters<typeof finetune>[1] = {}): Promise<FinetuneEvent[]> {
  const events: FinetuneEvent[] = [];
  for await (const event of finetune(settings, options)) events.push(event);
  return events;
}

/** The weights that a run left behind, as bytes. */
export function resultBytes(settings: FinetuneSettings): Promise<Buffer> {
  return readFile(path.join(settings.out, "model", "model.safetensors"));
}
