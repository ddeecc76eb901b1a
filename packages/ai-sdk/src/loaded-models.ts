import { SightlineError } from "sightline";

/** Models by their names, each loaded once, at its first use. */
export class LoadedModels<T extends AsyncDisposable> implements AsyncDisposable {
  readonly #load: (modelId: string) => Promise<T>;
  readonly #loaded = new Map<string, Promise<T>>();
  #disposed: Promise<void> | undefined;

  constructor(load: (modelId: string) => Promise<T>) {
    this.#load = load;
  }

  /** @throws SightlineError `disposed`; what loading throws, and then the next call tries again */
  async get(modelId: string): Promise<T> {
    if (this.#disposed) throw new SightlineError("disposed", `sightline: the provider was disposed; create another for the model ${modelId}`);
    let model = this.#loaded.get(modelId);
    if (!model) {
      model = this.#load(modelId);
      this.#loaded.set(modelId, model);
      model.catch(() => this.#loaded.delete(modelId));
    }
    return model;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= Promise.allSettled(this.#loaded.values()).then(async (models) => {
      for (const model of models) if (model.status === "fulfilled") await model.value[Symbol.asyncDispose]();
    });
    return this.#disposed;
  }
}
