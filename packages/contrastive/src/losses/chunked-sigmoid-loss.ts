import { openSession, type Session, type SessionOptions, type TensorValue } from "@sightline/graph";
import { TrainingError } from "../training-error.js";
import { gradientTile, hardestTile, uncounted } from "./chunk-graphs.js";
import { ListedLogits, type TilePairs } from "./listed-logits.js";
import { backpropRows, normalizeRows } from "./normalized-rows.js";
import type { PairLabels } from "./pair-labels.js";
import { expectPairs, expectSelection, type NegativeSelection, type PairEmbeddings, type PairLossResult, type Temperature } from "./pair-loss.js";

/** Settings of `ChunkedSigmoidLoss.open`. */
export interface ChunkedSigmoidLossOptions extends SessionOptions {
  /** D */
  readonly width: number;
  /** Images, and texts, of one tile: tiles of chunk x chunk logits are all that is held at a time. 1024 by default. */
  readonly chunk?: number;
  readonly negatives?: NegativeSelection;
}

interface Tile {
  readonly fromImage: number;
  readonly toImage: number;
  readonly fromText: number;
  readonly toText: number;
}

/**
 * `sigmoidPairLoss` on ONNX Runtime, tile by tile, with the analytic backward of each tile beside its forward: no
 * matrix of N x M is ever held, only a few of chunk x chunk, so batches of tens of thousands of pairs fit.
 */
export class ChunkedSigmoidLoss implements AsyncDisposable {
  readonly #gradients: Session;
  readonly #hardest: Session | undefined;
  readonly #options: ChunkedSigmoidLossOptions;

  private constructor(gradients: Session, hardest: Session | undefined, options: ChunkedSigmoidLossOptions) {
    this.#gradients = gradients;
    this.#hardest = hardest;
    this.#options = options;
  }

  /** @throws TrainingError when the chunk or the selection makes no sense */
  static async open(options: ChunkedSigmoidLossOptions): Promise<ChunkedSigmoidLoss> {
    const { width, chunk = 1024, negatives = {} } = options;
    if (!(Number.isInteger(chunk) && chunk > 0)) throw new TrainingError(`ChunkedSigmoidLoss.open: expected a chunk of at least one pair, got ${chunk}`);
    expectSelection("ChunkedSigmoidLoss.open", negatives);
    const selects = negatives.hardest !== undefined || negatives.maxCosine !== undefined;
    const gradients = await openSession(gradientTile(width, selects), options);
    const hardest = negatives.hardest === undefined ? undefined : await openSession(hardestTile(width), options);
    return new ChunkedSigmoidLoss(gradients, hardest, options);
  }

  /** The loss of a batch and its gradients, as `sigmoidPairLoss` gives them, in float32. */
  async evaluate(embeddings: PairEmbeddings, labels: PairLabels, { logitScale, logitBias }: Temperature): Promise<PairLossResult> {
    const { width, negatives = {} } = this.#options;
    expectPairs("ChunkedSigmoidLoss.evaluate", embeddings, labels);
    if (embeddings.width !== width) throw new TrainingError(`ChunkedSigmoidLoss.evaluate: opened for embeddings ${width} wide, got ${embeddings.width}`);
    const t = Math.exp(logitScale);
    const images = normalizeRows(embeddings.images, width);
    const texts = normalizeRows(embeddings.texts, width);
    const listed = new ListedLogits(images.rows, texts.rows, width, labels, t, logitBias);
    for (let i = 0; i < images.rows.length; i++) images.rows[i] = (images.rows[i] as number) * t;

    const imageGradients = new Float32Array(embeddings.images.length);
    const textGradients = new Float32Array(embeddings.texts.length);
    const bias = vector(Float32Array.of(logitBias));
    const maxLogit = negatives.maxCosine === undefined ? Number.POSITIVE_INFINITY : t * negatives.maxCosine + logitBias;
    const selection = { maxLogit: vector(Float32Array.of(maxLogit)) };
    const feeds = (tile: Tile, pairs: TilePairs): Record<string, TensorValue> => ({
      x: rows(images.rows, tile.fromImage, tile.toImage, width),
      y: rows(texts.rows, tile.fromText, tile.toText, width),
      bias,
      at: { dtype: "int64", shape: [pairs.gradients.length, 2], data: pairs.at },
      uncounted: vector(new Float32Array(pairs.gradients.length).fill(uncounted)),
      ...(this.#selects ? selection : {}),
    });
    const minLogits = await this.#minLogits(labels, listed, feeds);

    let loss = 0;
    let biasGradient = 0;
    for (const tile of this.#tiles(labels)) {
      const pairs = listed.in(tile.fromImage, tile.toImage, tile.fromText, tile.toText);
      const dx = rows(imageGradients, tile.fromImage, tile.toImage, width);
      const dy = rows(textGradients, tile.fromText, tile.toText, width);
      const least = this.#selects ? { minLogit: rows(minLogits, tile.fromImage, tile.toImage, 1) } : {};
      // The sums go back to where they came from: the product adds to them element by element.
      const into = { "dx sum": dx, "dy sum": dy };
      const results = await this.#gradients.run({ ...feeds(tile, pairs), ...least, gradient: vector(pairs.gradients), dx, dy }, into);
      loss += ((results["loss"] as TensorValue).data as Float32Array)[0] as number;
      biasGradient += ((results["bias gradient"] as TensorValue).data as Float32Array)[0] as number;
    }

    // The tiles left out the weight of a negative and 1/N; x held t already, y did not.
    const factor = labels.negativeWeight / labels.images;
    for (let i = 0; i < images.rows.length; i++) images.rows[i] = (images.rows[i] as number) / t;
    const logitScaleGradient = backpropRows(imageGradients, images, width, factor * t);
    backpropRows(textGradients, texts, width, factor);
    return {
      loss: factor * loss + listed.loss / labels.images,
      imageGradients,
      textGradients,
      logitScaleGradient,
      logitBiasGradient: factor * biasGradient,
      ...listed.meanLogits(),
    };
  }

  /** Closes the sessions, after runs under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#gradients[Symbol.asyncDispose]();
    await this.#hardest?.[Symbol.asyncDispose]();
  }

  get #selects(): boolean {
    const { hardest, maxCosine } = this.#options.negatives ?? {};
    return hardest !== undefined || maxCosine !== undefined;
  }

  /** float32[N]: the logit from which on the negatives of an image count. */
  async #minLogits(labels: PairLabels, listed: ListedLogits, feeds: (tile: Tile, pairs: TilePairs) => Record<string, TensorValue>): Promise<Float32Array> {
    const { hardest } = this.#options.negatives ?? {};
    const least = new Float32Array(labels.images).fill(Number.NEGATIVE_INFINITY);
    if (hardest === undefined || hardest >= labels.texts || !this.#hardest) return least;
    const best = Array.from({ length: labels.images }, () => new Float32Array(hardest).fill(Number.NEGATIVE_INFINITY));
    for (const tile of this.#tiles(labels)) {
      const count = Math.min(hardest, tile.toText - tile.fromText);
      const k: TensorValue = { dtype: "int64", shape: [1], data: BigInt64Array.of(BigInt(count)) };
      const { largest } = await this.#hardest.run({ ...feeds(tile, listed.in(tile.fromImage, tile.toImage, tile.fromText, tile.toText)), k });
      const candidates = (largest as TensorValue).data as Float32Array;
      for (let i = tile.fromImage; i < tile.toImage; i++) {
        const found = candidates.subarray((i - tile.fromImage) * count, (i - tile.fromImage + 1) * count);
        const known = best[i] as Float32Array;
        best[i] = Float32Array.from([...known, ...found]).sort().slice(-hardest);
      }
    }
    return Float32Array.from(best, (logits) => logits[0] as number);
  }

  *#tiles({ images, texts }: PairLabels): Generator<Tile> {
    const { chunk = 1024 } = this.#options;
    for (let fromImage = 0; fromImage < images; fromImage += chunk) {
      for (let fromText = 0; fromText < texts; fromText += chunk) {
        yield { fromImage, toImage: Math.min(images, fromImage + chunk), fromText, toText: Math.min(texts, fromText + chunk) };
      }
    }
  }
}

function rows(data: Float32Array, from: number, to: number, width: number): TensorValue {
  return { dtype: "float32", shape: [to - from, width], data: data.subarray(from * width, to * width) };
}

function vector(data: Float32Array): TensorValue {
  return { dtype: "float32", shape: [data.length], data };
}
