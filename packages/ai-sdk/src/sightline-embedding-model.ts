import { UnsupportedFunctionalityError, type EmbeddingModelV4, type EmbeddingModelV4CallOptions, type EmbeddingModelV4Result } from "@ai-sdk/provider";
import { embedImages, embedTexts, type Siglip } from "sightline";
import { dataUrlBytes } from "./chat-messages.js";

/**
 * SigLIP's two towers as one embedding model of the AI SDK: a value that is a base64 `data:` URL is a picture, any other is
 * a text, and both lie in one space, as unit vectors.
 */
export class SightlineEmbeddingModel implements EmbeddingModelV4 {
  readonly specificationVersion = "v4";
  readonly provider = "sightline";
  readonly modelId: string;
  readonly maxEmbeddingsPerCall = 256;
  readonly supportsParallelCalls = true;
  readonly #siglip: () => Promise<Siglip>;

  constructor(modelId: string, siglip: () => Promise<Siglip>) {
    this.modelId = modelId;
    this.#siglip = siglip;
  }

  async doEmbed({ values, dimensions, abortSignal }: EmbeddingModelV4CallOptions): Promise<EmbeddingModelV4Result> {
    if (dimensions !== undefined) throw new UnsupportedFunctionalityError({ functionality: "dimensions", message: `sightline: the tower's embeddings have one width; leave out dimensions, got ${dimensions}` });
    abortSignal?.throwIfAborted();
    const siglip = await this.#siglip();
    abortSignal?.throwIfAborted();
    const options = { strict: true, signal: abortSignal };
    const inputs = values.map((value) => ({ text: value, image: dataUrlBytes(value) }));
    const images = inputs.flatMap(({ image }) => (image ? [image] : []));
    const texts = inputs.flatMap(({ image, text }) => (image ? [] : [text]));
    const imageRows = embedImages(siglip, images, options);
    const textRows = embedTexts(siglip, texts, options);
    const embeddings: number[][] = [];
    // Each stream is in the order of its values.
    for (const { image } of inputs) {
      const { value } = await (image ? imageRows : textRows).next();
      if (!value || "error" in value) throw value?.error ?? new Error("sightline: fewer embeddings than values came back");
      embeddings.push([...value.embedding]);
    }
    return { embeddings, warnings: [] };
  }
}
