/**
 * What went wrong, for programs:
 * - `unsupported-platform`, `library-missing`, `library-mismatch`: llama.cpp itself cannot be used; the message names the package to install
 * - `bad-model-file`, `unsupported-model`, `model-load-failed`: the GGUF
 * - `bad-adapter-file`: a LoRA adapter
 * - `bad-option`, `bad-input`: the caller's values
 * - `context-full`: a prompt that is longer than the context
 * - `no-free-sequence`, `busy`, `disposed`: objects used at the wrong time
 * - `decode-failed`: llama.cpp refused or failed a batch
 * - `no-token-fits`: the vocabulary or the sampling options have no token that the grammar allows
 */
export type DecoderErrorCode =
  | "unsupported-platform"
  | "library-missing"
  | "library-mismatch"
  | "bad-model-file"
  | "unsupported-model"
  | "model-load-failed"
  | "bad-adapter-file"
  | "bad-option"
  | "bad-input"
  | "context-full"
  | "no-free-sequence"
  | "busy"
  | "disposed"
  | "decode-failed"
  | "no-token-fits";

/** Every error that this package throws itself. A cancelled load throws the signal's own reason instead. */
export class DecoderError extends Error {
  override readonly name = "DecoderError";
  readonly code: DecoderErrorCode;

  constructor(code: DecoderErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
