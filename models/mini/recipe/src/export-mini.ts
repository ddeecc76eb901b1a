import { mkdir } from "node:fs/promises";
import path from "node:path";
import { ggufDecoderName, type ParameterSet, type ParameterSlot } from "@sightline/contrastive";
import { newProjector } from "@sightline/projector";
import { mmprojTensor, mmprojTowerName, writeMmproj } from "sightline";
import { writeGguf, writeSafetensors, type GgufValue, type TensorToWrite } from "@sightline/weights";
import { readChatTokenizer } from "./chat-tokenizer.js";
import { chatSpecials, miniDecoder, miniText, miniVision, textSpecials } from "./mini-config.js";
import { readTextTokenizer } from "./text-tokenizer.js";
import { writeFileAtomically } from "./write-file-atomically.js";

/** Matrices are stored in half precision, vectors in full. */
function stored(name: string, { shape }: ParameterSlot, values: Float32Array): TensorToWrite {
  return { name, dtype: shape.length > 1 ? "F16" : "F32", shape, data: values };
}

const u32 = (value: number): GgufValue => ({ type: "uint32", value });
const f32 = (value: number): GgufValue => ({ type: "float32", value });
const text = (value: string): GgufValue => ({ type: "string", value });
const bool = (value: boolean): GgufValue => ({ type: "bool", value });

/** Writes every file of models/mini from trained parameters. */
export async function exportMini(parameters: ParameterSet, runFolder: string, outFolder: string): Promise<void> {
  await mkdir(path.join(outFolder, "siglip"), { recursive: true });
  await writeTowerAndProjector(parameters, path.join(outFolder, "mmproj-mini.gguf"));
  await writeDecoder(parameters, runFolder, path.join(outFolder, "mini-qwen3.gguf"));
  await writeSiglip(parameters, runFolder, path.join(outFolder, "siglip"));
}

/** Tower and projector, in the names of llama.cpp's mmproj. */
async function writeTowerAndProjector(parameters: ParameterSet, file: string): Promise<void> {
  const tensors = parameters.slots.flatMap(({ name, shape }) => {
    const stored = name.startsWith("mm.") ? name : mmprojTowerName(name);
    return stored === undefined ? [] : [mmprojTensor(stored, shape, parameters.get(name))];
  });
  const { metadata: projector } = newProjector({ type: "mlp", patchWidth: miniVision.width, outputWidth: miniDecoder.width });
  const half = [0.5, 0.5, 0.5] as const;
  await writeMmproj(file, { name: "Sightline mini", license: "apache-2.0", vision: miniVision, normalization: { mean: half, std: half }, projector, tensors });
}

/** ChatML without a default system message. */
const chatTemplate =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** Decoder, tokenizer and chat template, as llama.cpp's `qwen3` architecture. */
async function writeDecoder(parameters: ParameterSet, runFolder: string, file: string): Promise<void> {
  const { json } = await readChatTokenizer(runFolder);
  const { vocab, merges } = (json as { readonly model: { readonly vocab: Record<string, number>; readonly merges: readonly (readonly [string, string])[] } }).model;
  const tokens = Object.keys(vocab).sort((a, b) => (vocab[a] as number) - (vocab[b] as number));
  const specials: readonly string[] = Object.values(chatSpecials);
  const id = (token: string): GgufValue => u32(vocab[token] as number);
  const tensors = parameters.slots.flatMap((slot) => {
    const name = ggufDecoderName(slot.name);
    return name === undefined ? [] : [stored(name, slot, parameters.get(slot.name))];
  });
  const { width, layers, heads, headWidth, mlpWidth, ropeTheta, rmsNormEps } = miniDecoder;
  await writeGguf(file, {
    tensors,
    metadata: [
      ["general.architecture", text("qwen3")],
      ["general.type", text("model")],
      ["general.name", text("Sightline mini")],
      ["general.license", text("apache-2.0")],
      ["general.file_type", u32(1)],
      ["qwen3.context_length", u32(1024)],
      ["qwen3.embedding_length", u32(width)],
      ["qwen3.block_count", u32(layers)],
      ["qwen3.feed_forward_length", u32(mlpWidth)],
      ["qwen3.attention.head_count", u32(heads)],
      ["qwen3.attention.head_count_kv", u32(heads)],
      ["qwen3.attention.key_length", u32(headWidth)],
      ["qwen3.attention.value_length", u32(headWidth)],
      ["qwen3.attention.layer_norm_rms_epsilon", f32(rmsNormEps)],
      ["qwen3.rope.freq_base", f32(ropeTheta)],
      ["tokenizer.ggml.model", text("gpt2")],
      ["tokenizer.ggml.pre", text("qwen2")],
      ["tokenizer.ggml.tokens", { type: "array", of: "string", value: tokens }],
      // 1: normal, 3: control.
      ["tokenizer.ggml.token_type", { type: "array", of: "int32", value: tokens.map((token) => (specials.includes(token) ? 3 : 1)) }],
      ["tokenizer.ggml.merges", { type: "array", of: "string", value: merges.map((pair) => pair.join(" ")) }],
      ["tokenizer.ggml.eos_token_id", id(chatSpecials.end)],
      ["tokenizer.ggml.bos_token_id", id(chatSpecials.endOfText)],
      ["tokenizer.ggml.padding_token_id", id(chatSpecials.endOfText)],
      ["tokenizer.ggml.add_bos_token", bool(false)],
      ["tokenizer.chat_template", text(chatTemplate)],
    ],
  });
}

/** Both towers as a Hugging Face SigLIP directory. */
async function writeSiglip(parameters: ParameterSet, runFolder: string, folder: string): Promise<void> {
  const { json, size } = await readTextTokenizer(runFolder);
  const tensors = parameters.slots.filter(({ name }) => /^(vision_model|text_model|logit)/.test(name));
  await writeSafetensors(
    path.join(folder, "model.safetensors"),
    tensors.map((slot) => stored(slot.name, slot, parameters.get(slot.name))),
    { format: "pt" },
  );
  const writeJson = (name: string, value: unknown): Promise<void> => writeFileAtomically(path.join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  await writeJson("config.json", {
    architectures: ["SiglipModel"],
    model_type: "siglip",
    torch_dtype: "float16",
    vision_config: {
      model_type: "siglip_vision_model",
      hidden_size: miniVision.width,
      intermediate_size: miniVision.mlpWidth,
      num_hidden_layers: miniVision.layers,
      num_attention_heads: miniVision.heads,
      image_size: miniVision.imageSize,
      patch_size: miniVision.patchSize,
      hidden_act: "gelu_pytorch_tanh",
      layer_norm_eps: miniVision.layerNormEps,
    },
    text_config: {
      model_type: "siglip_text_model",
      hidden_size: miniText.width,
      intermediate_size: miniText.mlpWidth,
      num_hidden_layers: miniText.layers,
      num_attention_heads: miniText.heads,
      vocab_size: size,
      max_position_embeddings: miniText.maxTokens,
      projection_size: miniText.projectionWidth,
      hidden_act: "gelu_pytorch_tanh",
      layer_norm_eps: miniText.layerNormEps,
    },
  });
  await writeJson("preprocessor_config.json", {
    image_processor_type: "SiglipImageProcessor",
    do_resize: true,
    size: { height: miniVision.imageSize, width: miniVision.imageSize },
    resample: 3,
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5],
  });
  await writeFileAtomically(path.join(folder, "tokenizer.json"), JSON.stringify(json));
  await writeJson("tokenizer_config.json", {
    tokenizer_class: "PreTrainedTokenizerFast",
    pad_token: textSpecials.pad,
    eos_token: textSpecials.end,
    do_lower_case: true,
    model_max_length: miniText.maxTokens,
    padding_side: "right",
  });
}
