import { createHash } from "node:crypto";
import { performance } from "node:perf_hooks";
import { decodeImage, readImage, type DecodedImage, type Size } from "@sightline/vision-tower";
import type { ImageEncoder } from "../image-encoder.js";
import type { PicturePart, PicturePlan } from "../image-model.js";
import { EmbeddingCache } from "./embedding-cache.js";
import type { EmbeddingStore } from "./embedding-store.js";
import { partsOf, type ChatMessage, type ImagePart } from "./messages.js";

/** A picture of a conversation. */
export interface Picture {
  /** Pixels. */
  readonly size: Size;
  /** Its pixels; decoded anew where the picture was known by its file. */
  readonly image: () => Promise<DecodedImage>;
  /** SHA-256 of size and pixels: two pictures are one when their pixels are. */
  readonly sha256: string;
}

/** A picture as it is shown in one prompt. */
export interface PlannedPicture extends Picture {
  readonly plan: PicturePlan;
  /** Names the rows: the same for the same pixels shown the same way. */
  readonly key: string;
}

export interface PictureRows {
  /** What stands in the prompt for each picture. */
  readonly pictures: readonly (readonly PicturePart[])[];
  readonly encodeMs: number;
  readonly preprocessMs: number;
}

/** Bytes of image embeddings that a chat keeps in memory, so that a picture is encoded once in a conversation. */
const cacheBytes = 256 * 2 ** 20;

/** Files that are known again. */
const filesKnown = 1024;

/** The pictures of a chat: decoded, planned, and encoded once for all conversations. */
export class ChatPictures {
  /** Images encoded so far; one that was seen before is not encoded again. */
  encodes = 0;
  readonly #encoder: ImageEncoder;
  readonly #store: EmbeddingStore | undefined;
  /** What is known of pictures by the SHA-256 of their files. */
  readonly #files = new Map<string, Pick<Picture, "size" | "sha256">>();
  readonly #kept = new EmbeddingCache(cacheBytes);
  /** The last request in line for the tower. */
  #encoding: Promise<unknown> = Promise.resolve();

  constructor(encoder: ImageEncoder, store: EmbeddingStore | undefined) {
    this.#encoder = encoder;
    this.#store = store;
  }

  /** Looks at the pictures of all messages; those whose files were seen before are not decoded. Throws ImageError for one that cannot be read. */
  async open(messages: readonly ChatMessage[], signal: AbortSignal): Promise<Map<ImagePart, Picture>> {
    const parts = messages.flatMap((message) => partsOf(message).filter((part) => part.type === "image"));
    return new Map(await Promise.all(parts.map(async (part): Promise<[ImagePart, Picture]> => [part, await this.#open(part, signal)])));
  }

  async #open(part: ImagePart, signal: AbortSignal): Promise<Picture> {
    const { bytes, name } = await readImage(part.image, { signal });
    const file = createHash("sha256").update(bytes).digest("hex");
    const known = this.#files.get(file);
    if (known) {
      // A Map keeps the order of insertion; the last is the most recent.
      this.#files.delete(file);
      this.#files.set(file, known);
      return { ...known, image: () => decodeImage(bytes, { signal, name }) };
    }
    const image = await decodeImage(bytes, { signal, name });
    const { width, height, data } = image;
    const seen = { size: { width, height }, sha256: createHash("sha256").update(`${width}x${height}:`).update(data).digest("hex") };
    this.#files.set(file, seen);
    if (this.#files.size > filesKnown) this.#files.delete(this.#files.keys().next().value as string);
    return { ...seen, image: async () => image };
  }

  /** How each picture of a prompt is shown, in their order. */
  plan(parts: readonly ImagePart[], pictures: ReadonlyMap<ImagePart, Picture>): PlannedPicture[] {
    return parts.map(({ detail = "auto" }, imageIndex) => {
      const picture = pictures.get(parts[imageIndex] as ImagePart) as Picture;
      const plan = this.#encoder.model.plan(picture.size, { detail, imageIndex, imageCount: parts.length });
      return { ...picture, plan, key: keyOf(picture.sha256, plan) };
    });
  }

  /** Rows of every picture; those that are not kept are read from disk or encoded. */
  async rows(pictures: readonly PlannedPicture[], signal: AbortSignal): Promise<PictureRows> {
    // One request after the other: who brings a picture that is being encoded for another finds it done.
    const before = this.#encoding;
    const encoded = before.then(() => this.#encodeMissing(pictures, signal));
    this.#encoding = encoded.catch(() => {});
    return encoded;
  }

  /** Puts rows back that were computed earlier, so that their picture is not encoded. */
  keep(key: string, rows: readonly Float32Array[]): void {
    this.#kept.set(key, rows);
  }

  async #encodeMissing(pictures: readonly PlannedPicture[], signal: AbortSignal): Promise<PictureRows> {
    const timings = { preprocessMs: 0, encodeMs: 0 };
    const found = new Map<string, readonly Float32Array[]>();
    for (const picture of pictures) {
      if (found.has(picture.key)) continue;
      signal.throwIfAborted();
      const started = performance.now();
      const lengths = this.#lengths(picture);
      const kept = this.#kept.get(picture.key);
      // What a conversation's file brought may be of any shape.
      const whole = kept?.length === lengths.length && kept.every((values, i) => values.length === lengths[i]);
      const known = whole ? kept : await this.#store?.read(picture.key, lengths);
      if (known) {
        timings.preprocessMs += performance.now() - started;
        this.#kept.set(picture.key, known);
        found.set(picture.key, known);
        continue;
      }
      const encoded = await this.#encoder.encode([{ image: await picture.image(), plan: picture.plan }], { signal });
      this.encodes++;
      timings.preprocessMs += encoded.timings.preprocessMs;
      timings.encodeMs += encoded.timings.encodeMs;
      const rows = rowsOf(encoded.pictures[0] as readonly PicturePart[]);
      this.#kept.set(picture.key, rows);
      found.set(picture.key, rows);
      await this.#store?.write(picture.key, rows, this.#encoder.width);
    }
    return { ...timings, pictures: pictures.map(({ key, plan }) => this.#encoder.model.partsWithRows(plan, found.get(key) as readonly Float32Array[])) };
  }

  /** Values of each part that has rows. */
  #lengths({ plan }: PlannedPicture): number[] {
    return this.#encoder.model.rowCounts(plan).map((count) => count * this.#encoder.width);
  }
}

/** The rows of a picture's parts, in order. */
export function rowsOf(parts: readonly PicturePart[]): Float32Array[] {
  return parts.flatMap((part) => (part.type === "rows" ? [part.embeddings] : []));
}

/** Pixels, and how they are shown; the text around them does not change the rows. */
function keyOf(sha256: string, { views, layout }: PicturePlan): string {
  const shown = JSON.stringify([views, layout.filter(({ type }) => type !== "text")]);
  return createHash("sha256").update(sha256).update(shown).digest("hex");
}
