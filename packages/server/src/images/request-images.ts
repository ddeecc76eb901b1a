import { ImageError, imageSize } from "sightline";
import { ApiError } from "../api-error.js";
import type { Limits } from "../limits.js";
import { base64Bytes, dataUrlBytes, looksLikeBase64 } from "./inline-image.js";
import type { MediaRoot } from "./media-root.js";
import type { RemoteImages } from "./remote-images.js";
import { toApiError } from "../to-api-error.js";

/** Where images may come from besides the request itself. */
export interface ImageSources {
  readonly media: MediaRoot | undefined;
  readonly remote: RemoteImages;
}

/** The images of one request: found, counted and measured before any is decoded. */
export class RequestImages {
  readonly #sources: ImageSources;
  readonly #limits: Limits;
  readonly #signal: AbortSignal;
  #count = 0;
  #pixels = 0;

  constructor(sources: ImageSources, limits: Limits, signal: AbortSignal) {
    this.#sources = sources;
    this.#limits = limits;
    this.#signal = signal;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * The bytes, or the path below the media root, of an image as a request gives it: a `data:` URL, plain base64, an https URL
   * of an allowed host, a `file://` URL or path below the media root.
   * @param param the field of the request, for errors
   * @throws ApiError with what is wrong
   */
  async open(text: string, param: string): Promise<Uint8Array | string> {
    try {
      if (++this.#count > this.#limits.images) throw new ApiError(400, `expected at most ${this.#limits.images} images, got more; send fewer`, { code: "too_many_images" });
      const image = await this.#find(text);
      await this.#measure(image);
      return image;
    } catch (error) {
      this.#signal.throwIfAborted();
      const known = toApiError(error);
      throw new ApiError(known.status, known.message, { param, code: known.code, headers: known.headers, cause: error });
    }
  }

  async #find(text: string): Promise<Uint8Array | string> {
    const { imageBytes } = this.#limits;
    // Schemes are short; the rest of the text may be megabytes.
    const scheme = /^\s*([a-z][a-z0-9+.-]*):/i.exec(text.slice(0, 64))?.[1]?.toLowerCase();
    if (scheme === "data") return dataUrlBytes(text, imageBytes);
    if (scheme === "http" || scheme === "https") return this.#sources.remote.fetch(text, { maxBytes: imageBytes, signal: this.#signal });
    if (scheme !== undefined && scheme !== "file") throw new ApiError(400, "image: expected a data: URL, base64, or an https: URL of an allowed host", { code: "image_bad_source" });
    if (scheme === undefined && looksLikeBase64(text)) return base64Bytes(text, imageBytes);
    if (!this.#sources.media) throw new ApiError(400, "image: expected a data: URL or base64; this server reads no files, unless it is started with a media folder", { code: "image_bad_source" });
    return this.#sources.media.find(text.trim());
  }

  async #measure(image: Uint8Array | string): Promise<void> {
    const left = this.#limits.pixels - this.#pixels;
    try {
      const { width, height } = await imageSize(image, { limits: { maxBytes: this.#limits.imageBytes, maxPixels: Math.max(1, left) }, signal: this.#signal, name: "file" });
      this.#pixels += width * height;
    } catch (error) {
      if (!(error instanceof ImageError) || error.code !== "too-many-pixels") throw error;
      throw new ApiError(400, `image: expected at most ${this.#limits.pixels} pixels in all images together; shrink them or send fewer`, { code: "image_too_many_pixels", cause: error });
    }
  }
}
