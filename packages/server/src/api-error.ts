/** OpenAI's kinds of errors. */
export type ApiErrorType = "invalid_request_error" | "authentication_error" | "permission_error" | "not_found_error" | "rate_limit_error" | "server_error";

export interface ApiErrorOptions extends ErrorOptions {
  /** The field of the request that is meant, as in `messages[0].content`. */
  readonly param?: string | undefined;
  /** Stable, for programs. */
  readonly code?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

const types: Readonly<Record<number, ApiErrorType>> = { 401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error" };

/** What a client is told. The message is shown as it is: it never holds a prompt, a key, or text of a native library. */
export class ApiError extends Error {
  override readonly name: string = "ApiError";
  readonly status: number;
  readonly type: ApiErrorType;
  readonly param: string | undefined;
  readonly code: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, { param, code, headers = {}, ...options }: ApiErrorOptions = {}) {
    super(message, options);
    this.status = status;
    this.type = types[status] ?? (status >= 500 ? "server_error" : "invalid_request_error");
    this.param = param;
    this.code = code;
    this.headers = headers;
  }

  /** The body of the answer, in OpenAI's shape. */
  body(): { readonly error: { readonly message: string; readonly type: string; readonly param: string | null; readonly code: string | null } } {
    return { error: { message: this.message, type: this.type, param: this.param ?? null, code: this.code ?? null } };
  }

  toResponse(): Response {
    return Response.json(this.body(), { status: this.status, headers: this.headers });
  }
}
