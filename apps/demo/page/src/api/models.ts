import { ApiError, errorBody, postForResponse, request } from "./api-error";
import { serverSentEvents } from "./server-sent-events";

export interface Model {
  readonly id: string;
  /** "chat" answers questions, "siglip" compares pictures with words. */
  readonly kind: "chat" | "siglip";
  readonly status: "loaded" | "available" | "downloading";
  /** What has to be downloaded first, bytes; null where that is not known. */
  readonly download?: number | null;
}

export async function listModels(signal?: AbortSignal): Promise<readonly Model[]> {
  const response = await request("/v1/models", signal ? { signal } : {});
  const { data } = (await response.json()) as { data?: readonly (Partial<Model> & { readonly download_bytes?: number | null })[] };
  return (data ?? []).flatMap(({ id, kind, status, download_bytes: download }) => (typeof id === "string" ? [{ id, kind: kind ?? "chat", status: status ?? "available", ...(download === undefined ? {} : { download }) }] : []));
}

/** How far a download is; bytes, where the server knows them. */
export interface PullProgress {
  readonly loaded: number;
  readonly total: number | undefined;
}

/**
 * Has the server download a model, and tells how far it is.
 * @throws ApiError when the server cannot get it
 */
export async function* pullModel(model: string, signal: AbortSignal): AsyncGenerator<PullProgress, void> {
  const response = await postForResponse("/v1/models/pull", { model }, signal);
  if (!response.body) throw new ApiError("broken", "The server's answer has no body.");
  for await (const { data } of serverSentEvents(response.body)) {
    if (data === "[DONE]") return;
    const failure = errorBody(data);
    if (failure) throw new ApiError("broken", failure.message, { code: failure.code });
    const { loaded, total } = JSON.parse(data) as { loaded?: number; total?: number };
    if (typeof loaded === "number") yield { loaded, total: typeof total === "number" && total > 0 ? total : undefined };
  }
}
