/** Settings of `Siglip.tag`. */
export interface TagOptions {
  /** Probability from which a label counts, 0 to 1; 0.5 when left out. */
  readonly threshold?: number;
  /**
   * How a label is put to the text tower; `{label}` stands for it. "a photo of {label}" when left out. Of several, the
   * mean of a label's embeddings counts.
   */
  readonly template?: string | readonly string[];
  readonly signal?: AbortSignal;
}

/** A label, and how probable it is. */
export interface Tag {
  readonly label: string;
  /** sigmoid(logit): how probable it is that this label is true, whatever the others are. */
  readonly probability: number;
}

/** What `Siglip.tag` says of an image. */
export interface TagResult {
  /** Every label once, the likeliest first. */
  readonly tags: readonly Tag[];
  /** Whether no label reaches the threshold. */
  readonly noneOfTheAbove: boolean;
}

/** Labels, trimmed, without blank ones and repetitions, in the order in which they first come. */
export function distinctLabels(labels: readonly string[]): readonly string[] {
  const distinct = new Set(labels.map((label) => label.trim()));
  distinct.delete("");
  return [...distinct];
}

/**
 * The templates of the options, or the usual one; repeated ones count once.
 * @throws RangeError when there is none, or one has no place for the label
 */
export function templatesOf({ template = "a photo of {label}" }: TagOptions): readonly string[] {
  const templates = [...new Set(typeof template === "string" ? [template] : template)];
  if (templates.length === 0) throw new RangeError("templatesOf: expected at least one template, got none; leave it out for the usual one");
  for (const one of templates) {
    if (!one.includes("{label}")) throw new RangeError(`templatesOf: expected a template with {label} in it, got ${JSON.stringify(one)}`);
  }
  return templates;
}

/** The threshold of the options, or 0.5. Throws RangeError when it is no probability. */
export function thresholdOf({ threshold = 0.5 }: TagOptions): number {
  if (!(threshold >= 0 && threshold <= 1)) throw new RangeError(`thresholdOf: expected a threshold from 0 to 1, got ${threshold}`);
  return threshold;
}

/**
 * Labels with the sigmoid of their logits, the likeliest first; equally likely ones keep their order.
 * @param logits float32[labels]
 */
export function rankTags(labels: readonly string[], logits: Float32Array, threshold: number): TagResult {
  const tags = labels
    .map((label, i) => ({ label, probability: 1 / (1 + Math.exp(-(logits[i] as number))) }))
    .sort((a, b) => b.probability - a.probability);
  return { tags, noneOfTheAbove: !tags.some(({ probability }) => probability >= threshold) };
}
