import { ApiError } from "../api-error.js";
import type { PullableModel, PullModel, PullProgress, ServerOptions } from "../server-options.js";
import type { ModelPool } from "./model-pool.js";
import { describeListed, listedModel, type ListedModel, type ServedModel } from "./served-model.js";

/** Fetches under way together, at most. */
const mostPulls = 2;

/** Models that can be fetched, and those that are being fetched: each once at a time. */
export class PullsUnderWay {
  readonly #pull: PullModel | undefined;
  readonly #pullable: readonly PullableModel[];
  readonly #models: ModelPool;
  readonly #names = new Set<string>();
  /** Unix time, seconds. */
  readonly #since = Math.floor(Date.now() / 1000);

  constructor({ pullModel, pullableModels = [] }: Pick<ServerOptions, "pullModel" | "pullableModels">, models: ModelPool) {
    this.#pull = pullModel;
    this.#pullable = pullModel ? pullableModels : [];
    this.#models = models;
  }

  /** Those that are not served yet. */
  listed(): ListedModel[] {
    const served = new Set(this.#models.all().map(({ name }) => name));
    const known = new Map([...[...this.#names].map((name): PullableModel => ({ name, kind: "chat" })), ...this.#pullable].map((model) => [model.name, model]));
    return [...known.values()].filter(({ name }) => !served.has(name)).map(({ name, kind, bytes }) => ({
      ...describeListed(name, kind, this.#since, this.#names.has(name) ? "downloading" : "available"),
      ...(bytes === 0 ? {} : { download_bytes: bytes ?? null }),
    }));
  }

  /**
   * Fetches a model unless it is served, and loads it.
   * @throws ApiError 501 where the server fetches none, 409 when it is being fetched, 429 when too many are, 503 when it cannot be loaded
   */
  async pull(name: string, { signal, onProgress }: { readonly signal: AbortSignal; readonly onProgress: (event: PullProgress) => void }): Promise<ListedModel> {
    const served = this.#models.all().find((model) => model.name === name) ?? (await this.#fetched(name, { signal, onProgress }));
    onProgress({ status: "loading" });
    await this.#models.preload(served).catch((cause: unknown) => {
      throw new ApiError(503, `the model "${served.name}" could not be loaded; the server's log says why`, { code: "model_load_failed", cause });
    });
    return listedModel(served);
  }

  async #fetched(name: string, options: Parameters<PullModel>[1]): Promise<ServedModel> {
    if (!this.#pull) throw new ApiError(501, "this server fetches no models; GET /v1/models lists those that it has", { code: "pull_not_supported" });
    if (this.#names.has(name)) throw new ApiError(409, "this model is being fetched already", { param: "model", code: "pull_under_way" });
    if (this.#names.size >= mostPulls) throw new ApiError(429, `${mostPulls} models are being fetched already; ask again later`, { code: "pulls_full", headers: { "retry-after": "30" } });
    this.#names.add(name);
    try {
      const model = await this.#pull(name, options);
      const known = this.#models.all().find((one) => one.name === model.name);
      if (known) return known;
      if (!("kind" in model)) return await this.#models.addChat(model);
      const { kind: _, ...siglip } = model;
      return await this.#models.addSiglip(siglip);
    } finally {
      this.#names.delete(name);
    }
  }
}
