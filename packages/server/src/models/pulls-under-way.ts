import { ApiError } from "../api-error.js";
import type { PullModel, PullProgress } from "../server-options.js";
import type { ModelPool } from "./model-pool.js";
import { describeListed, listedModel, type ListedModel } from "./served-model.js";

/** Models that are being fetched: each once at a time, at most so many together. */
export class PullsUnderWay {
  readonly #pull: PullModel | undefined;
  readonly #models: ModelPool;
  readonly #names = new Map<string, number>();
  readonly #most = 2;

  constructor(pull: PullModel | undefined, models: ModelPool) {
    this.#pull = pull;
    this.#models = models;
  }

  listed(): ListedModel[] {
    return [...this.#names].map(([name, created]) => describeListed(name, "chat", created, "downloading"));
  }

  /**
   * Fetches a model and adds it to those that are served.
   * @throws ApiError 501 where the server fetches none, 409 when it is being fetched, 429 when too many are
   */
  async pull(model: string, options: { readonly signal: AbortSignal; readonly onProgress: (event: PullProgress) => void }): Promise<ListedModel> {
    if (!this.#pull) throw new ApiError(501, "this server fetches no models", { code: "pull_not_supported" });
    if (this.#names.has(model)) throw new ApiError(409, "this model is being fetched already", { param: "model", code: "pull_under_way" });
    if (this.#names.size >= this.#most) throw new ApiError(429, `${this.#most} models are being fetched already; ask again later`, { code: "pulls_full", headers: { "retry-after": "30" } });
    this.#names.set(model, Math.floor(Date.now() / 1000));
    try {
      const fetched = await this.#pull(model, options);
      const known = this.#models.all().find(({ name }) => name === fetched.name);
      if (known) return listedModel(known);
      return listedModel("kind" in fetched && fetched.kind === "siglip" ? await this.#models.addSiglip(withoutKind(fetched)) : await this.#models.addChat(fetched as Parameters<ModelPool["addChat"]>[0]));
    } finally {
      this.#names.delete(model);
    }
  }
}

function withoutKind<T extends object>({ kind: _, ...rest }: T & { readonly kind: unknown }): Omit<T, "kind"> {
  return rest as Omit<T, "kind">;
}
