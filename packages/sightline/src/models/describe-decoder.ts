import type { WeightSource } from "@sightline/weights";
import { defined } from "../defined.js";
import { dimension, elements, perBlock, storedWeights } from "./header-numbers.js";
import type { DecoderDescription } from "./model-description.js";
import { decoderInputWidth } from "./model-pair.js";

/** What a decoder's GGUF says of it; what it does not say, or not as a number that can be meant, is left out. */
export function describeDecoder(source: WeightSource): DecoderDescription {
  const { metadata, tensors } = source;
  const architecture = String(metadata.get("general.architecture")).slice(0, 80);
  const of = (key: string): number | undefined => dimension(metadata.get(`${architecture}.${key}`));
  const blocks = of("block_count");
  const most = (key: string): number | undefined => {
    const amounts = perBlock(metadata.get(`${architecture}.${key}`), Math.min(blocks ?? 1, 512));
    return amounts && Math.max(...amounts);
  };
  const heads = most("attention.head_count");
  const keyValueHeads = most("attention.head_count_kv") ?? heads;
  const name = metadata.get("general.name");
  const tokens = metadata.get("tokenizer.ggml.tokens");
  return {
    path: source.path,
    architecture,
    ...(typeof name === "string" ? { name: name.slice(0, 200) } : {}),
    parameters: [...tensors.values()].reduce((sum, tensor) => sum + elements(tensor), 0),
    weights: storedWeights(tensors.values()),
    ...defined({
      blocks,
      width: decoderInputWidth(metadata),
      heads,
      keyValueHeads,
      trainedContext: of("context_length"),
      slidingWindow: of("attention.sliding_window"),
      vocabulary: Array.isArray(tokens) ? tokens.length : of("vocab_size"),
    }),
    chatTemplate: typeof metadata.get("tokenizer.chat_template") === "string",
  };
}
