/** What went wrong, for programs; the message says it for people. */
export type HubErrorCode =
  | "unknown-model"
  | "bad-reference"
  | "bad-manifest"
  | "bad-settings"
  | "not-found"
  | "unauthorized"
  | "gated"
  | "rate-limited"
  | "unreachable"
  | "bad-response"
  | "wrong-bytes"
  | "no-space"
  | "offline"
  | "not-downloaded"
  | "cache-damaged"
  | "locked";

/** What the hub, its cache or a manifest refuses; the message is one line that says what to do. No message holds a token. */
export class HubError extends Error {
  override readonly name: string = "HubError";
  readonly code: HubErrorCode;

  constructor(code: HubErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
