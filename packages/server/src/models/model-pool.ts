import { stat } from "node:fs/promises";
import path from "node:path";
import { describeModel, findModelFiles, loadSiglip, loadVisionChat, siglipDirectory, type LoadOptions, type Siglip, type VisionChat } from "sightline";
import type { Logger } from "pino";
import { ApiError } from "../api-error.js";
import { loggedError } from "../log.js";
import type { ChatToServe, ServerSettings, SiglipToServe } from "../server-options.js";
import { LoadableModel } from "./loadable-model.js";
import type { ServedChat, ServedModel, ServedSiglip } from "./served-model.js";
import { WorkQueue } from "./work-queue.js";

/** Replies that a chat generates together where its options do not say. */
const usualConversations = 4;
/** SigLIP's calls share runs of its tower, so many of them may be under way. */
const siglipCalls = 16;
const checkEveryMs = 1000;

interface Kinds {
  readonly chat: ServedChat;
  readonly siglip: ServedSiglip;
}

/** What a pool needs to know of the machine; a test may say otherwise. */
export interface PoolMachine {
  /** Bytes that can be allocated without swapping, the process's own limits included. */
  readonly availableMemory: () => number;
}

/** A model in use by one request, in its turn. */
export interface Turn<S extends ServedModel> extends Disposable {
  readonly served: S;
  readonly model: S extends ServedChat ? VisionChat : Siglip;
}

/** The models that are served: loaded on demand, unloaded when idle for long or when memory is short. */
export class ModelPool {
  readonly #served = new Map<string, ServedModel>();
  readonly #settings: Pick<ServerSettings, "limits" | "idleUnloadSeconds">;
  readonly #log: Logger;
  readonly #machine: PoolMachine;
  readonly #timer: NodeJS.Timeout;

  constructor(settings: Pick<ServerSettings, "limits" | "idleUnloadSeconds">, log: Logger, machine: PoolMachine = { availableMemory: () => process.availableMemory() }) {
    this.#settings = settings;
    this.#log = log;
    this.#machine = machine;
    this.#timer = setInterval(() => void this.unloadIdle(), checkEveryMs).unref();
  }

  /** Every model, in the order in which they were added. */
  all(): readonly ServedModel[] {
    return [...this.#served.values()];
  }

  /** Adds a chat; its files are looked at, not loaded. Throws SightlineError or WeightsError for files that are no model. */
  async addChat({ name, path: model, ...options }: ChatToServe): Promise<ServedChat> {
    const files = await findModelFiles(model);
    const { memory } = await describeModel({ mmproj: files.mmproj, decoder: files.decoder });
    const conversations = options.conversations ?? usualConversations;
    const bytes = (memory.decoderBytes ?? 0) + (memory.encoderBytes ?? 0) + (memory.cache[0]?.bytes ?? 0) * conversations;
    return this.add({
      kind: "chat", name, bytes, created: now(), queue: new WorkQueue({ concurrent: conversations, waiting: this.#settings.limits.waiting }),
      model: new LoadableModel(async () => this.#loaded(name, bytes, () => loadVisionChat(model, { ...options, conversations }))),
    });
  }

  /** Adds a SigLIP model likewise. */
  async addSiglip({ name, path: folder, ...options }: SiglipToServe): Promise<ServedSiglip> {
    const directory = await siglipDirectory(folder);
    const bytes = await weightBytes(directory);
    // Its header is read and its weights are checked now; they are loaded when a tower is first used.
    await (await loadSiglip(directory, options))[Symbol.asyncDispose]();
    return this.add({
      kind: "siglip", name, bytes, created: now(), queue: new WorkQueue({ concurrent: siglipCalls, waiting: this.#settings.limits.waiting }),
      model: new LoadableModel(async () => this.#loaded(name, bytes, () => openedSiglip(directory, options))),
    });
  }

  /** Throws ApiError 409 when the name is taken. */
  add<S extends ServedModel>(served: S): S {
    if (this.#served.has(served.name)) throw new ApiError(409, `there is a model "${served.name}" already`, { code: "model_exists" });
    this.#served.set(served.name, served);
    return served;
  }

  /**
   * The model of a kind that a request names; the first of it where it names none.
   * @throws ApiError 404 with the names that there are
   */
  find<K extends keyof Kinds>(kind: K, name: string | null | undefined): Kinds[K] {
    const ofKind = this.all().filter((served): served is Kinds[K] => served.kind === kind);
    const found = name === undefined || name === null || name === "" ? ofKind[0] : ofKind.find((served) => served.name === name);
    if (found) return found;
    const what = kind === "chat" ? "chat model" : "SigLIP model";
    const names = ofKind.map((served) => `"${served.name}"`).join(", ");
    throw new ApiError(404, ofKind.length === 0 ? `this server has no ${what}` : `there is no ${what} of this name; expected one of ${names}`, { param: "model", code: "model_not_found" });
  }

  /**
   * Waits for a turn with a model, and loads it where it is not.
   * @throws ApiError 429 when the line is full, 503 when it cannot be loaded
   */
  async turn<S extends ServedModel>(served: S, signal: AbortSignal): Promise<Turn<S>> {
    const leave = await served.queue.enter(signal);
    try {
      const lease = await (served.model as LoadableModel<Turn<S>["model"]>).lease(signal);
      return {
        served,
        model: lease.model,
        [Symbol.dispose]: () => {
          lease[Symbol.dispose]();
          leave();
        },
      };
    } catch (error) {
      leave();
      signal.throwIfAborted();
      throw error instanceof ApiError ? error : new ApiError(503, `the model "${served.name}" could not be loaded; the server's log says why`, { code: "model_load_failed", cause: error });
    }
  }

  /** Loads a model ahead of its first use. */
  async preload(served: ServedModel): Promise<void> {
    (await (served.model as LoadableModel<AsyncDisposable>).lease())[Symbol.dispose]();
  }

  /** Unloads what has been idle for long and, the longest idle first, what else is idle while memory is short. */
  async unloadIdle(): Promise<void> {
    const { idleUnloadSeconds, limits } = this.#settings;
    if (idleUnloadSeconds !== undefined) await this.#unload((served) => served.model.idleMs >= idleUnloadSeconds * 1000, "idle");
    await this.#makeRoom(limits.freeMemoryBytes);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.all().map(({ model }) => model.close()));
  }

  async #loaded<M>(name: string, bytes: number, load: () => Promise<M>): Promise<M> {
    await this.#makeRoom(bytes + this.#settings.limits.freeMemoryBytes);
    const started = performance.now();
    try {
      const model = await load();
      this.#log.info({ model: name, ms: Math.round(performance.now() - started) }, "model loaded");
      return model;
    } catch (error) {
      // A load knows nothing of requests: its message names files.
      this.#log.error({ model: name, reason: error instanceof Error ? error.message : "unknown", ...loggedError(error) }, "model could not be loaded");
      throw error;
    }
  }

  async #makeRoom(bytes: number): Promise<void> {
    while (this.#machine.availableMemory() < bytes) {
      const longest = this.#idle()[0];
      if (!longest || !(await this.#unload((served) => served === longest, "memory is short"))) return;
    }
  }

  /** The longest idle first. */
  #idle(): ServedModel[] {
    return this.all().filter(({ model }) => model.idle).sort((a, b) => b.model.idleMs - a.model.idleMs);
  }

  async #unload(which: (served: ServedModel) => boolean, why: string): Promise<boolean> {
    let any = false;
    for (const served of this.#idle().filter(which)) {
      if (!(await served.model.unload())) continue;
      any = true;
      this.#log.info({ model: served.name, why }, "model unloaded");
    }
    return any;
  }
}

/** With its vision tower open, so that the first request does not wait for it. */
async function openedSiglip(directory: string, options: LoadOptions): Promise<Siglip> {
  const siglip = await loadSiglip(directory, options);
  try {
    await siglip.precision();
    return siglip;
  } catch (error) {
    await siglip[Symbol.asyncDispose]();
    throw error;
  }
}

async function weightBytes(file: string): Promise<number> {
  const one = async (name: string): Promise<number> => (await stat(path.join(file, name)).catch(() => undefined))?.size ?? 0;
  const whole = await stat(file).catch(() => undefined);
  // Weights are widened to float32 at most.
  return 2 * (whole?.isFile() ? whole.size : await one("model.safetensors"));
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
