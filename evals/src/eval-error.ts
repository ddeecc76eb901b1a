/** What went wrong, for programs; the message says it for people. */
export type EvalErrorCode = "bad-input" | "duplicate-image" | "data-missing" | "data-changed" | "unknown-task" | "output-exists" | "resume-refused" | "journal-damaged" | "java-missing";

/** What the evaluations refuse; the message names the function, what it expected and what came. */
export class EvalError extends Error {
  override readonly name: string = "EvalError";
  readonly code: EvalErrorCode;

  constructor(code: EvalErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
