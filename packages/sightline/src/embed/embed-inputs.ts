import { decodeImage, ImageError, unitRows, type DecodedImage, type ImageSource, type VisionTower } from "@sightline/vision-tower";
import { embedBatches, type EmbeddedBatch, type Failure, type Named } from "./embed-batches.js";
import { loadAhead } from "./load-ahead.js";
import { SightlineError } from "../sightline-error.js";

/** An image to embed, by whatever name; or what stands in its place where it could not be read. */
export type ImageInput = Named & ({ readonly image: ImageSource | DecodedImage } | { readonly error: Error });

/** A text to embed, likewise. */
export type TextInput = Named & ({ readonly text: string } | { readonly error: Error });

/** Settings of `embedImages` and `embedTexts`. */
export interface EmbedOptions {
  /** How many go through the tower together; 8 images or 64 texts when left out. */
  readonly batch?: number | undefined;
  /** Embeddings of length 1, which is what a cosine or a nearest-neighbour index wants; true when left out. */
  readonly normalize?: boolean | undefined;
  /** Throws at the first input that cannot be read, instead of giving it as a failure; false when left out. */
  readonly strict?: boolean | undefined;
  /** Ends the run with its reason, after the batch in the tower. */
  readonly signal?: AbortSignal | undefined;
}

/** One input's embedding. */
export interface Embedded extends Named {
  /** float32[D] */
  readonly embedding: Float32Array;
}

/** The part of a tower that embeds images, or texts. */
export type ImageTower = Pick<VisionTower, "encodeImages">;
export type TextTower = Pick<VisionTower, "encodeTexts">;

/** How many go through the tower together unless `batch` says otherwise. */
export const usualBatch = { images: 8, texts: 64 } as const;

/** Decoding one image takes one thread; libuv has four of them. */
const decodesAtOnce = 4;
/** Of decoded pixels that wait for the tower: seven pictures of 12 megapixels. */
const maxWaitingBytes = 256 * 2 ** 20;

/** Rows and failures of images, a batch of the tower at a time. */
export function embedImageBatches(tower: ImageTower, images: Iterable<ImageInput> | AsyncIterable<ImageInput>, options: EmbedOptions = {}): AsyncGenerator<EmbeddedBatch> {
  const batch = batchOf(options, usualBatch.images);
  const loaded = loadAhead(images, decoded, {
    atOnce: decodesAtOnce,
    ahead: batch + decodesAtOnce,
    maxBytes: maxWaitingBytes,
    bytesOf: ({ data }) => data.length,
    signal: options.signal,
  });
  const encode = async (pictures: readonly DecodedImage[]): Promise<Float32Array> => {
    const { pooled, pooledWidth } = await tower.encodeImages(pictures);
    return options.normalize === false ? pooled : unitRows(pooled, pooledWidth);
  };
  return embedBatches(loaded, { encode, batch, isInputError, strict: options.strict ?? false, signal: options.signal });
}

/** Rows and failures of texts, likewise. */
export function embedTextBatches(tower: TextTower, texts: Iterable<TextInput> | AsyncIterable<TextInput>, options: EmbedOptions = {}): AsyncGenerator<EmbeddedBatch> {
  const batch = batchOf(options, usualBatch.texts);
  const loaded = loadAhead(texts, textOf, { atOnce: batch, ahead: 2 * batch, maxBytes: maxWaitingBytes, bytesOf: (text) => 2 * text.length, signal: options.signal });
  const encode = async (some: readonly string[]): Promise<Float32Array> => {
    const embeddings = await tower.encodeTexts(some);
    return options.normalize === false ? embeddings : unitRows(embeddings, embeddings.length / some.length);
  };
  return embedBatches(loaded, { encode, batch, isInputError, strict: options.strict ?? false, signal: options.signal });
}

/**
 * Embeds images one after the other, however many: the next ones are read and decoded while the tower runs, and nothing
 * is kept. An image that cannot be read comes as `{ path, error }`, before the images that went through the tower with
 * its neighbours. Paths and bytes may stand for themselves.
 * @throws the signal's reason; ImageError when `strict`; what the tower throws
 */
export function embedImages(
  tower: ImageTower,
  images: Iterable<ImageSource | DecodedImage | ImageInput> | AsyncIterable<ImageSource | DecodedImage | ImageInput>,
  options: EmbedOptions = {},
): AsyncGenerator<Embedded | Failure> {
  return oneByOne(embedImageBatches(tower, namedImages(images), options));
}

/** Embeds texts one after the other, likewise; their keys count them from 0. */
export function embedTexts(tower: TextTower, texts: Iterable<string> | AsyncIterable<string>, options: EmbedOptions = {}): AsyncGenerator<Embedded | Failure> {
  return oneByOne(embedTextBatches(tower, namedTexts(texts), options));
}

async function* oneByOne(batches: AsyncIterable<EmbeddedBatch>): AsyncGenerator<Embedded | Failure> {
  for await (const { rows, embeddings, failures } of batches) {
    const width = embeddings.length / rows.length;
    yield* failures;
    for (const [i, row] of rows.entries()) yield { ...row, embedding: embeddings.slice(i * width, (i + 1) * width) };
  }
}

async function* namedImages(images: Parameters<typeof embedImages>[1]): AsyncGenerator<ImageInput> {
  let count = 0;
  for await (const image of images) {
    const index = count++;
    if (typeof image === "object" && "path" in image) yield image;
    else {
      const path = typeof image === "string" ? image : image instanceof URL ? image.href : `#${index}`;
      yield { key: sampleKey(path), path, image };
    }
  }
}

async function* namedTexts(texts: Iterable<string> | AsyncIterable<string>): AsyncGenerator<TextInput> {
  let count = 0;
  for await (const text of texts) {
    const key = String(count++);
    yield { key, path: `#${key}`, text };
  }
}

/** WebDataset's key of a file: its path up to the first dot of the last part; a leading dot is part of the name. */
export function sampleKey(path: string): string {
  const name = path.slice(1 + Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")));
  const dot = name.indexOf(".", 1);
  return dot === -1 ? path : path.slice(0, path.length - name.length + dot);
}

function batchOf({ batch }: EmbedOptions, usual: number): number {
  if (batch === undefined) return usual;
  if (Number.isSafeInteger(batch) && batch > 0) return batch;
  throw new RangeError(`embed: expected a batch of at least 1, got ${batch}`);
}

function isInputError(error: unknown): error is Error {
  return error instanceof ImageError || (error instanceof SightlineError && error.code === "bad-input");
}

// No signal: an image that was stopped in the middle is no failure of the image.
async function decoded(input: ImageInput): Promise<DecodedImage> {
  if ("error" in input) throw input.error;
  const { image } = input;
  return typeof image === "object" && "data" in image ? image : decodeImage(image);
}

async function textOf(input: TextInput): Promise<string> {
  if ("error" in input) throw input.error;
  return input.text;
}
