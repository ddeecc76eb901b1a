export interface TagOptions {
  /** Probability from which a label counts, 0 to 1; 0.5 when left out. */
  readonly threshold?: number;
  /** How a label is put to the text tower; `{label}` stands for it. "a photo of {label}" when left out. */
  readonly template?: string;
  readonly signal?: AbortSignal;
}

export interface Tag {
  readonly label: string;
  /** sigmoid(logit): how probable it is that this label is true, whatever the others are. */
  readonly probability: number;
}

export interface TagResult {
  /** Every label once, the likeliest first. */
  readonly tags: readonly Tag[];
  /** Whether no label reaches the threshold. */
  readonly noneOfTheAbove: boolean;
}

/** What to ask the text tower about: labels without blank ones and repetitions, and the phrase for each. */
export interface LabelPhrases {
  readonly labels: readonly string[];
  readonly phrases: readonly string[];
}

/**
 * Labels, trimmed, put into a template.
 * @throws RangeError when the template has no place for the label
 */
export function labelPhrases(labels: readonly string[], template: string = "a photo of {label}"): LabelPhrases {
  if (!template.includes("{label}")) throw new RangeError(`labelPhrases: expected a template with {label} in it, got ${JSON.stringify(template)}`);
  const distinct = [...new Set(labels.map((label) => label.trim()))].filter((label) => label !== "");
  // A function, because "$&" in a label would mean something in a replacement string.
  return { labels: distinct, phrases: distinct.map((label) => template.replaceAll("{label}", () => label)) };
}

/** The threshold of the options, or 0.5. Throws RangeError when it is no probability. */
export function thresholdOf({ threshold = 0.5 }: TagOptions): number {
  if (!(threshold >= 0 && threshold <= 1)) throw new RangeError(`thresholdOf: expected a threshold from 0 to 1, got ${threshold}`);
  return threshold;
}

/**
 * Labels with the sigmoid of their logits, the likeliest first.
 * @param logits float32[labels]
 */
export function rankTags(labels: readonly string[], logits: Float32Array, threshold: number): TagResult {
  const tags = labels
    .map((label, i) => ({ label, probability: 1 / (1 + Math.exp(-(logits[i] as number))) }))
    .sort((a, b) => b.probability - a.probability);
  return { tags, noneOfTheAbove: !tags.some(({ probability }) => probability >= threshold) };
}
