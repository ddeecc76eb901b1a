import { LabelEmbeddings } from "./label-embeddings.js";
import type { DecodedImage } from "./pixels/decode-image.js";
import type { ImageSource } from "./pixels/image-source.js";
import { labelPhrases, rankTags, thresholdOf, type TagOptions, type TagResult } from "./tag.js";
import { VisionTower } from "./vision-tower.js";

const labelsKept = 4096;

/** A SigLIP model: a vision tower whose logits with texts are probabilities, each on its own. */
export class Siglip extends VisionTower {
  readonly #labels = new LabelEmbeddings((texts, options) => this.textEmbeddings(texts, options), labelsKept);

  /**
   * Which labels are true of an image: each has a probability of its own, and none may hold. Blank labels are left out,
   * repeated ones count once. Embeddings of labels are kept for the next image.
   * @throws RangeError for a threshold that is no probability or a template without {label}
   */
  tag(image: ImageSource | DecodedImage, labels: readonly string[], options: TagOptions = {}): Promise<TagResult> {
    return this.work("tag", async () => {
      const { labels: distinct, phrases } = labelPhrases(labels, options.template);
      const threshold = thresholdOf(options);
      const { pooled, pooledWidth } = await this.imageEmbeddings([image], options);
      const texts = await this.#labels.of(phrases, pooledWidth, options);
      return rankTags(distinct, this.logits(pooled, texts), threshold);
    });
  }
}
