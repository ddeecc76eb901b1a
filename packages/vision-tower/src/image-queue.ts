import { ByteBudget } from "./byte-budget.js";

/** What the queue has done to images: read and decode each, then run several at once. */
export interface ImageQueueStages<Source, Image, Output> {
  /**
   * Makes an image of a source. It calls `admit` with the bytes that it is about to allocate, where they are many, and
   * goes on once that resolves. An image that is there already is returned at once, without a promise.
   */
  load(source: Source, admit: (bytes: number) => Promise<void>, signal: AbortSignal): Image | Promise<Image>;
  /** Bytes that a loaded image holds until it has been run. */
  bytes(image: Image): number;
  /** Runs a batch; row i of the output belongs to image i. Never called again before it has settled. */
  run(images: readonly Image[]): Promise<Output>;
}

export interface ImageQueueLimits {
  /** Most images of one run. */
  readonly maxImages: number;
  /** Longest time that a loaded image waits, with the tower idle, for others to share its run; ms. */
  readonly maxWaitMs: number;
  /** Images that are loaded at a time. */
  readonly maxLoading: number;
  /** Bytes that images may hold between the start of their decoding and the end of their run. */
  readonly maxBytes: number;
}

/** Receives the result of image `index` of a call: row `row` of `output`, which had `rows` rows. */
export type DeliverRow<Output> = (index: number, output: Output, row: number, rows: number) => void;

interface Call<Source, Output> {
  readonly sources: readonly Source[];
  readonly deliver: DeliverRow<Output>;
  readonly cancel: AbortController;
  /** Ends the call, once: without an error, or with the one that it rejects with. */
  readonly end: (failure?: { readonly error: unknown }) => void;
  /** The next source to load. */
  next: number;
  delivered: number;
}

interface Item<Source, Image, Output> {
  readonly call: Call<Source, Output>;
  readonly index: number;
  readonly image: Image;
  readonly bytes: number;
}

/**
 * Groups the images of many callers into runs of a tower. While one batch runs, the next images are loaded; when it
 * ends, whatever is ready goes next. So an idle tower starts at once, and a busy one gets full batches.
 *
 * - Callers take turns, image by image, so that one with thousands of images does not keep one with a single image
 *   waiting. Each gets its own rows, whatever batches they came from.
 * - An image that cannot be loaded ends its caller's call and no other. When a run of several callers fails, each
 *   caller's part is run by itself, so that only the one at fault hears of it.
 * - A call whose signal aborts rejects at once; its waiting images are dropped, those in the tower are ignored.
 * - Loading stops ahead of time: at twice a batch of images, or at `maxBytes`.
 */
export class ImageQueue<Source, Image, Output> {
  readonly #stages: ImageQueueStages<Source, Image, Output>;
  readonly #limits: ImageQueueLimits;
  readonly #budget: ByteBudget;
  /** Calls with sources that are not loaded yet; the first one's turn is next. */
  readonly #calls: Call<Source, Output>[] = [];
  #ready: Item<Source, Image, Output>[] = [];
  /** Since when the first ready image waits, ms. */
  #readySince = 0;
  #loading = 0;
  #running = false;
  #pumpIsDue = false;
  #timer: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  constructor(stages: ImageQueueStages<Source, Image, Output>, limits: ImageQueueLimits) {
    this.#stages = stages;
    this.#limits = limits;
    this.#budget = new ByteBudget(limits.maxBytes);
  }

  /**
   * Loads and runs the images of one call, and resolves when all were delivered.
   * @throws what the first image that cannot be loaded throws, what a run throws, or the signal's reason
   */
  submit(sources: readonly Source[], deliver: DeliverRow<Output>, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      if (sources.length === 0) return resolve();
      const cancel = new AbortController();
      const abort = (): void => call.end({ error: signal?.reason });
      const end = (failure?: { readonly error: unknown }): void => {
        if (cancel.signal.aborted) return;
        signal?.removeEventListener("abort", abort);
        // Stops what is still being loaded, and marks the call as ended.
        cancel.abort(failure?.error);
        this.#forget(call);
        if (failure) reject(failure.error as Error);
        else resolve();
      };
      const call: Call<Source, Output> = { sources, deliver, cancel, end, next: 0, delivered: 0 };
      signal?.addEventListener("abort", abort);
      this.#calls.push(call);
      this.#pumpSoon();
    });
  }

  /** Resolves when nothing is loading, waiting or running any more, ended calls' images included. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.#pumpSoon();
    });
  }

  #forget(call: Call<Source, Output>): void {
    const at = this.#calls.indexOf(call);
    if (at >= 0) this.#calls.splice(at, 1);
    for (const item of this.#ready) if (item.call === call) this.#budget.give(item.bytes);
    this.#ready = this.#ready.filter((item) => item.call !== call);
    this.#pumpSoon();
  }

  /** After the callers of this turn of the event loop, so that they share a batch. */
  #pumpSoon(): void {
    if (this.#pumpIsDue) return;
    this.#pumpIsDue = true;
    queueMicrotask(() => {
      this.#pumpIsDue = false;
      this.#loadMore();
      this.#runReady();
      if (this.#loading > 0 || this.#running || this.#ready.length > 0 || this.#calls.length > 0) return;
      for (const resolve of this.#idle.splice(0)) resolve();
    });
  }

  #loadMore(): void {
    const { maxImages, maxLoading } = this.#limits;
    while (this.#loading < maxLoading && this.#loading + this.#ready.length < 2 * maxImages) {
      const call = this.#calls.shift();
      if (!call) return;
      const index = call.next++;
      if (call.next < call.sources.length) this.#calls.push(call);
      this.#load(call, index);
    }
  }

  #load(call: Call<Source, Output>, index: number): void {
    let held = 0;
    const admit = async (bytes: number): Promise<void> => {
      await this.#budget.take(bytes);
      held += bytes;
    };
    const loaded = (image: Image): void => {
      if (call.cancel.signal.aborted) return this.#budget.give(held);
      const bytes = held === 0 ? 0 : Math.min(held, this.#stages.bytes(image));
      this.#budget.give(held - bytes);
      if (this.#ready.length === 0) this.#readySince = performance.now();
      this.#ready.push({ call, index, image, bytes });
    };
    const failed = (error: unknown): void => {
      this.#budget.give(held);
      call.end({ error });
    };
    let result: Image | Promise<Image>;
    try {
      result = this.#stages.load(call.sources[index] as Source, admit, call.cancel.signal);
    } catch (error) {
      return failed(error);
    }
    if (!(result instanceof Promise)) return loaded(result);
    this.#loading++;
    void result.then(loaded, failed).finally(() => {
      this.#loading--;
      this.#pumpSoon();
    });
  }

  #runReady(): void {
    const { maxImages, maxWaitMs } = this.#limits;
    if (this.#running || this.#ready.length === 0) return;
    clearTimeout(this.#timer);
    const wait = this.#readySince + maxWaitMs - performance.now();
    if (this.#ready.length < maxImages && wait > 0) {
      this.#timer = setTimeout(() => this.#pumpSoon(), Math.ceil(wait));
      return;
    }
    const batch = this.#ready.splice(0, maxImages);
    this.#readySince = performance.now();
    this.#running = true;
    // There is room for the next images now; they load while these run.
    this.#pumpSoon();
    void this.#run(batch).finally(() => {
      for (const { bytes } of batch) this.#budget.give(bytes);
      this.#running = false;
      this.#pumpSoon();
    });
  }

  async #run(batch: readonly Item<Source, Image, Output>[]): Promise<void> {
    const items = batch.filter(({ call }) => !call.cancel.signal.aborted);
    if (items.length === 0) return;
    let output: Output;
    try {
      output = await this.#stages.run(items.map(({ image }) => image));
    } catch (error) {
      const calls = new Set(items.map(({ call }) => call));
      if (calls.size === 1) return items[0]?.call.end({ error });
      for (const call of calls) await this.#run(items.filter((item) => item.call === call));
      return;
    }
    items.forEach(({ call, index }, row) => {
      if (call.cancel.signal.aborted) return;
      try {
        call.deliver(index, output, row, items.length);
        if (++call.delivered === call.sources.length) call.end();
      } catch (error) {
        call.end({ error });
      }
    });
  }
}
