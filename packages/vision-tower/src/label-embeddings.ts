import { unitRows } from "./unit-rows.js";

interface Options {
  readonly signal?: AbortSignal | undefined;
}

type Encode = (texts: readonly string[], options: Options) => Promise<Float32Array>;

/** The labels of one call, put into the same templates. */
interface LabelSet {
  readonly labels: readonly string[];
  readonly templates: string;
  /** float32[labels, D], each row of length 1 */
  readonly rows: Float32Array;
}

/** How many phrases go to the text tower at once: bounds what an ensemble of many templates holds. */
const phrasesAtOnce = 1024;

/**
 * Unit text embeddings of labels, kept for the next image. Bounded by bytes: the set that was used longest ago goes
 * first, and the last one stays whatever its size, so that a list longer than the bound is not encoded at every image.
 */
export class LabelEmbeddings {
  readonly #encode: Encode;
  readonly #maxBytes: number;
  /** The one used last comes last. */
  #sets: LabelSet[] = [];
  #bytes = 0;
  #turn: Promise<unknown> = Promise.resolve();

  /**
   * @param encode texts to float32[texts, D]
   * @param maxBytes of embeddings that are kept
   */
  constructor(encode: Encode, maxBytes: number) {
    this.#encode = encode;
    this.#maxBytes = maxBytes;
  }

  /**
   * Embeddings of distinct labels, in their order: float32[labels, D], each of length 1, not to be changed. With several
   * templates, the mean of a label's unit embeddings, made unit again (Radford et al. 2021, section 3.1.4). Only labels
   * that are not kept are encoded; overlapping calls wait for each other, so that no label is encoded twice.
   */
  of(labels: readonly string[], templates: readonly string[], width: number, options: Options): Promise<Float32Array> {
    const result = this.#turn.then(() => this.#of(labels, templates, width, options));
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #of(labels: readonly string[], templates: readonly string[], width: number, options: Options): Promise<Float32Array> {
    options.signal?.throwIfAborted();
    const key = JSON.stringify(templates);
    const same = this.#sets.findLast((set) => set.templates === key && sameLabels(set.labels, labels));
    const set = same ?? { labels, templates: key, rows: await this.#assemble(labels, templates, key, width, options) };
    this.#keep(set);
    return set.rows;
  }

  async #assemble(labels: readonly string[], templates: readonly string[], key: string, width: number, options: Options): Promise<Float32Array> {
    const places = new Map(labels.map((label, i) => [label, i]));
    const rows = new Float32Array(labels.length * width);
    for (const set of this.#sets) {
      if (set.templates !== key) continue;
      set.labels.forEach((label, i) => {
        const place = places.get(label);
        if (place === undefined) return;
        rows.set(set.rows.subarray(i * width, (i + 1) * width), place * width);
        places.delete(label);
      });
    }
    const missing = [...places.keys()];
    const labelsAtOnce = Math.max(1, Math.floor(phrasesAtOnce / templates.length));
    for (let at = 0; at < missing.length; at += labelsAtOnce) {
      const some = missing.slice(at, at + labelsAtOnce);
      const phrases = some.flatMap((label) => templates.map((template) => phraseOf(template, label)));
      const encoded = unitRows(await this.#encode(phrases, options), width);
      const means = templates.length === 1 ? encoded : unitRows(sumsOf(encoded, templates.length, width), width);
      some.forEach((label, i) => rows.set(means.subarray(i * width, (i + 1) * width), (places.get(label) as number) * width));
    }
    return rows;
  }

  /** Puts a set last, and lets go of the first ones beyond the bound. */
  #keep(set: LabelSet): void {
    const had = this.#sets.indexOf(set);
    if (had === -1) this.#bytes += bytesOf(set);
    else this.#sets.splice(had, 1);
    this.#sets.push(set);
    let dropped = 0;
    while (this.#bytes > this.#maxBytes && dropped < this.#sets.length - 1) this.#bytes -= bytesOf(this.#sets[dropped++] as LabelSet);
    if (dropped > 0) this.#sets = this.#sets.slice(dropped);
  }
}

function phraseOf(template: string, label: string): string {
  // A function, because "$&" in a label would mean something in a replacement string.
  return template.replaceAll("{label}", () => label);
}

function sameLabels(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((label, i) => label === b[i]);
}

/** Sums of `group` rows each. */
function sumsOf(rows: Float32Array, group: number, width: number): Float32Array {
  const sums = new Float32Array(rows.length / group);
  for (let i = 0; i < rows.length; i++) {
    const at = Math.floor(i / (group * width)) * width + (i % width);
    sums[at] = (sums[at] as number) + (rows[i] as number);
  }
  return sums;
}

/** Embeddings, the labels' characters, and what a set costs at least, so that many tiny sets are bounded too. */
function bytesOf({ rows, labels }: LabelSet): number {
  return rows.byteLength + labels.reduce((sum, label) => sum + 16 + 2 * label.length, 256);
}
