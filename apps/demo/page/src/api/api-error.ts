/** What became of a request that failed, in words for the person who made it. */
export class ApiError extends Error {
  override readonly name: string = "ApiError";
  /** "unreachable": no answer at all. "busy": it may work later. "refused": the same request will fail again. */
  readonly kind: "unreachable" | "busy" | "refused" | "broken";
  readonly status: number | undefined;
  readonly code: string | undefined;

  constructor(kind: ApiError["kind"], message: string, details: { status?: number; code?: string | undefined; cause?: unknown } = {}) {
    super(message, { cause: details.cause });
    this.kind = kind;
    this.status = details.status;
    this.code = details.code;
  }
}

/**
 * The response to a request to this page's own server.
 * @throws ApiError when there is none or it tells of a failure; the signal's reason when it aborted
 */
export async function request(path: string, init: RequestInit & { signal?: AbortSignal } = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (cause) {
    init.signal?.throwIfAborted();
    throw new ApiError("unreachable", "The server does not answer. Is it still running?", { cause });
  }
  if (response.ok) return response;
  throw await errorOf(response);
}

/** The JSON that a POST of JSON is answered with. */
export async function postJson<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const response = await postForResponse(path, body, signal);
  return (await response.json()) as T;
}

export async function postForResponse(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  return request(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), ...(signal ? { signal } : {}) });
}

async function errorOf(response: Response): Promise<ApiError> {
  const { status } = response;
  const told = errorBody(await response.text().catch(() => ""));
  if (status === 429) return new ApiError("busy", `The server is busy. ${retryAfter(response)}`, { status, code: told?.code });
  if (status === 503) return new ApiError("busy", told?.message ?? "The model is still loading.", { status, code: told?.code });
  const message = told?.message ?? `The server answered ${status} ${response.statusText}`.trim();
  return new ApiError(status >= 500 ? "broken" : "refused", message, { status, code: told?.code });
}

function retryAfter(response: Response): string {
  const seconds = Number(response.headers.get("retry-after"));
  return seconds > 0 ? `Try again in ${seconds} second${seconds === 1 ? "" : "s"}.` : "Try again in a moment.";
}

/** What an OpenAI error object says, if the text is one. */
export function errorBody(text: string): { message: string; code: string | undefined } | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown; code?: unknown } };
    if (typeof error?.message !== "string") return undefined;
    return { message: error.message, code: typeof error.code === "string" ? error.code : undefined };
  } catch {
    return undefined;
  }
}
