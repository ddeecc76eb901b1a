/** Why an image was refused; stable, for programs that branch on it. */
export type ImageErrorCode =
  | "bad-source"
  | "not-found"
  | "not-a-file"
  | "unreadable"
  | "empty"
  | "too-many-bytes"
  | "too-many-pixels"
  | "unsupported-format"
  | "unsupported-samples"
  | "damaged";

/**
 * One image that cannot be used. `message` is one line: the function, the source, what is wrong, what to do. It never
 * repeats text from a native decoder, which may carry paths and addresses; that text, where there is any, is in `cause`.
 */
export class ImageError extends Error {
  override readonly name: string = "ImageError";
  readonly code: ImageErrorCode;
  /** The path as it was given, or `<N bytes>`. */
  readonly source: string;

  constructor(code: ImageErrorCode, source: string, problem: string, options?: ErrorOptions) {
    super(`decodeImage: ${source}: ${problem}`, options);
    this.code = code;
    this.source = source;
  }
}
