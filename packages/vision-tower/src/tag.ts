export interface TagOptions {
  /** Probability from which a label counts; 0.5 when left out. */
  readonly threshold?: number;
  /** How a label is put to the text tower; `{label}` stands for it. */
  readonly template?: string;
  readonly signal?: AbortSignal;
}

export interface Tag {
  readonly label: string;
  /** sigmoid(logit): how probable it is that this label is true, whatever the others are. */
  readonly probability: number;
}

export interface TagResult {
  /** Every label, the likeliest first. */
  readonly tags: readonly Tag[];
  /** Whether no label reaches the threshold. */
  readonly noneOfTheAbove: boolean;
}

/** Labels with the sigmoid of their logits, the likeliest first. */
export function rankTags(labels: readonly string[], logits: Float32Array, threshold: number): TagResult {
  const tags = labels
    .map((label, i) => ({ label, probability: 1 / (1 + Math.exp(-(logits[i] as number))) }))
    .sort((a, b) => b.probability - a.probability);
  return { tags, noneOfTheAbove: !tags.some(({ probability }) => probability >= threshold) };
}
