import type { DecoderOptions } from "@sightline/decoder";
import type { MetadataValue } from "@sightline/weights";
import type { ImageModel } from "../image-model.js";

/** Rows of text that every context and every one-piece prompt has room for beside pictures. */
const room = { context: 2048, block: 512 };

/** Longer contexts are for those who ask for them: their cache takes gigabytes. */
const longestUnasked = 16_384;

/**
 * How long a context and how large a batch the decoder needs for the model's pictures: two of the largest and text, and
 * whatever must be decoded in one piece; no longer than the decoder was trained with.
 * @param decoder the metadata of its GGUF
 */
export function chatSizes(model: ImageModel, decoder: ReadonlyMap<string, MetadataValue>): Required<Pick<DecoderOptions, "contextLength" | "batchTokens">> {
  const trained = decoder.get(`${String(decoder.get("general.architecture"))}.context_length`);
  const wanted = Math.max(4096, Math.min(2 * model.mostTokens + room.context, longestUnasked));
  const contextLength = typeof trained === "number" && trained >= 1 ? Math.min(trained, wanted) : wanted;
  const block = model.mostTokensAtOnce + (model.family.prompt === "prefix" ? room.block : 0);
  return { contextLength, batchTokens: Math.min(Math.max(512, Math.ceil(block / 64) * 64), Math.max(contextLength, 1)) };
}
