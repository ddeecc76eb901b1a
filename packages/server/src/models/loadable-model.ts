import { performance } from "node:perf_hooks";

export type ModelStatus = "loaded" | "loading" | "available" | "failed";

/** A model in use; it stays loaded until the lease is disposed. */
export interface Lease<M> extends Disposable {
  readonly model: M;
}

/** A model that is loaded when somebody wants it, once for all who do, and unloaded when nobody has for a while. */
export class LoadableModel<M extends AsyncDisposable> {
  readonly #load: () => Promise<M>;
  #loading: Promise<M> | undefined;
  #loaded: M | undefined;
  #unloading: Promise<void> = Promise.resolve();
  #failed = false;
  #users = 0;
  /** By `performance.now()`. */
  #usedAt = 0;

  constructor(load: () => Promise<M>) {
    this.#load = load;
  }

  get status(): ModelStatus {
    if (this.#loaded) return "loaded";
    if (this.#loading) return "loading";
    return this.#failed ? "failed" : "available";
  }

  /** The model, where it is loaded. */
  get loaded(): M | undefined {
    return this.#loaded;
  }

  get idle(): boolean {
    return this.#loaded !== undefined && this.#users === 0;
  }

  /** Since its last use, ms. */
  get idleMs(): number {
    return performance.now() - this.#usedAt;
  }

  /** Loads it unless it is. Who stops waiting leaves the load to the others. */
  async lease(signal?: AbortSignal): Promise<Lease<M>> {
    signal?.throwIfAborted();
    // Counted before the load has ended, so that it is not unloaded in between.
    this.#users++;
    let held = true;
    const release = (): void => {
      if (!held) return;
      held = false;
      this.#users--;
      this.#usedAt = performance.now();
    };
    try {
      const model = this.#loaded ?? (await unlessAborted(this.#once(), signal));
      return { model, [Symbol.dispose]: release };
    } catch (error) {
      release();
      throw error;
    }
  }

  #once(): Promise<M> {
    this.#loading ??= this.#unloading
      .then(() => this.#load())
      .then(
        (model) => {
          this.#failed = false;
          this.#usedAt = performance.now();
          this.#loaded = model;
          return model;
        },
        (error: unknown) => {
          this.#failed = true;
          throw error;
        },
      )
      .finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  /** Unloads it where nobody uses it; says whether it did. */
  async unload(): Promise<boolean> {
    const model = this.#loaded;
    if (!model || this.#users > 0) return false;
    this.#loaded = undefined;
    this.#unloading = Promise.resolve(model[Symbol.asyncDispose]()).catch(() => {});
    await this.#unloading;
    return true;
  }

  /** Waits for a load under way and for work in flight, then frees it. */
  async close(): Promise<void> {
    await this.#loading?.catch(() => {});
    const model = this.#loaded;
    this.#loaded = undefined;
    await model?.[Symbol.asyncDispose]();
    await this.#unloading;
  }
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", leave, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}
