/**
 * Text embeddings of label phrases, kept for the next image; the phrase that was kept longest goes first.
 */
export class LabelEmbeddings {
  readonly #known = new Map<string, Float32Array>();
  readonly #encode: (texts: readonly string[], options: { readonly signal?: AbortSignal }) => Promise<Float32Array>;
  readonly #limit: number;

  /**
   * @param encode texts to float32[texts, D]
   * @param limit how many phrases are kept
   */
  constructor(encode: (texts: readonly string[], options: { readonly signal?: AbortSignal }) => Promise<Float32Array>, limit: number) {
    this.#encode = encode;
    this.#limit = limit;
  }

  /** Embeddings of distinct phrases, in their order: float32[phrases, D]. Only those not kept are encoded. */
  async of(phrases: readonly string[], width: number, options: { readonly signal?: AbortSignal }): Promise<Float32Array> {
    const rows = new Map(phrases.map((phrase) => [phrase, this.#known.get(phrase)]));
    const missing = phrases.filter((phrase) => !rows.get(phrase));
    if (missing.length > 0) {
      const encoded = await this.#encode(missing, options);
      missing.forEach((phrase, i) => {
        const row = encoded.slice(i * width, (i + 1) * width);
        rows.set(phrase, row);
        this.#known.set(phrase, row);
      });
      for (const phrase of this.#known.keys()) {
        if (this.#known.size <= this.#limit) break;
        this.#known.delete(phrase);
      }
    }
    const result = new Float32Array(phrases.length * width);
    phrases.forEach((phrase, i) => result.set(rows.get(phrase) as Float32Array, i * width));
    return result;
  }
}
