/** What went wrong, for programs; the message says it for people. */
export type SightlineErrorCode = "model-not-found" | "model-mismatch" | "invalid-message" | "template-failed" | "context-full" | "disposed" | "bad-input" | "output-exists" | "resume-refused" | "journal-damaged" | "package-missing" | "memory-short";

/** What the library refuses; the message names the function, what it expected and what came. */
export class SightlineError extends Error {
  override readonly name: string = "SightlineError";
  readonly code: SightlineErrorCode;

  constructor(code: SightlineErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
