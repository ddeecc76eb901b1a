import { writeFile } from "node:fs/promises";
import path from "node:path";
import { buildDecoder, decoderFromGguf, trainableParameters } from "@sightline/contrastive";
import { Graph, reshape } from "@sightline/graph";
import { openGguf, writeSafetensors, type TensorToWrite } from "@sightline/weights";

/** A Qwen3 GGUF with a byte-level tokenizer as a Hugging Face directory: weights, config, tokenizer and template. */
export async function writeMiniCheckpoint(gguf: string, directory: string): Promise<void> {
  await using source = await openGguf(gguf);
  const { config, rename } = decoderFromGguf(source);
  const graph = new Graph();
  const { parameter, shapes } = trainableParameters(graph);
  const decoder = buildDecoder(parameter, config);
  decoder.logits(reshape(decoder.hidden(graph.input("x", "float32", [1, 2, config.width])), [2, config.width]));
  const tensors: TensorToWrite[] = [];
  for (const [name, shape] of shapes) tensors.push({ name, dtype: "F32", shape, data: await source.readFloat32(rename(name)) });
  await writeSafetensors(path.join(directory, "model.safetensors"), tensors, { format: "pt" });
  const write = (name: string, value: unknown): Promise<void> => writeFile(path.join(directory, name), JSON.stringify(value));
  await write("config.json", {
    architectures: ["Qwen3ForCausalLM"],
    model_type: "qwen3",
    hidden_size: config.width,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyValueHeads,
    head_dim: config.headWidth,
    intermediate_size: config.mlpWidth,
    vocab_size: config.vocabularySize,
    rms_norm_eps: config.rmsNormEps,
    rope_theta: config.ropeTheta,
    max_position_embeddings: 1024,
    tie_word_embeddings: true,
  });
  const { metadata } = source;
  const tokens = metadata.get("tokenizer.ggml.tokens") as readonly string[];
  const types = metadata.get("tokenizer.ggml.token_type") as readonly number[];
  const special = tokens.flatMap((content, id) => (types[id] === 3 ? [{ id, content, special: true, single_word: false, lstrip: false, rstrip: false, normalized: false }] : []));
  const split = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  await write("tokenizer.json", {
    version: "1.0",
    added_tokens: special,
    normalizer: null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "Split", pattern: { Regex: split }, behavior: "Isolated", invert: false }, { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false }] },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges: (metadata.get("tokenizer.ggml.merges") as readonly string[]).map((pair) => pair.split(" ")) },
  });
  await write("tokenizer_config.json", { eos_token: "<|im_end|>", pad_token: "<|endoftext|>", chat_template: metadata.get("tokenizer.chat_template") });
}
