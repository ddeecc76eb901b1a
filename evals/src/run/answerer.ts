import { findModelFiles, fingerprintOf, loadVisionChat, loadVisionTower, siglipDirectory, type ImageSource, type VisionChat, type VisionTower } from "sightline";

/** What is recorded of a model, so that a figure can be traced to it. */
export interface ModelFacts {
  readonly name: string;
  readonly fingerprint: string;
  readonly precision: string;
}

export interface ModelOptions {
  readonly model: string;
  readonly precision: "float32" | "int8" | "auto";
  /** Conversations side by side. */
  readonly batchSize: number;
  readonly signal: AbortSignal;
}

/** A chat that answers about pictures, greedily. */
export class Answerer implements AsyncDisposable {
  readonly facts: ModelFacts;
  readonly #chat: VisionChat;

  private constructor(chat: VisionChat, facts: ModelFacts) {
    this.#chat = chat;
    this.facts = facts;
  }

  static async open({ model, precision, batchSize, signal }: ModelOptions): Promise<Answerer> {
    const files = await findModelFiles(model);
    const fingerprint = `${await fingerprintOf(files.mmproj)} ${await fingerprintOf(files.decoder)}`;
    return new Answerer(await loadVisionChat(model, { precision, conversations: batchSize, signal }), { name: files.name, fingerprint, precision });
  }

  /** @param image left out for the blind baseline */
  async answer(prompt: string, image: ImageSource | undefined, maxTokens: number, signal: AbortSignal): Promise<string> {
    const content = [...(image === undefined ? [] : [{ type: "image" as const, image }]), { type: "text" as const, text: prompt }];
    const reply = this.#chat.stream({ messages: [{ role: "user", content }], maxTokens, signal });
    return (await reply.result).text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#chat[Symbol.asyncDispose]();
  }
}

/** A tower that embeds pictures and texts. */
export class Embedder implements AsyncDisposable {
  readonly facts: ModelFacts;
  readonly #tower: VisionTower;

  private constructor(tower: VisionTower, facts: ModelFacts) {
    this.#tower = tower;
    this.facts = facts;
  }

  static async open({ model, precision, signal }: ModelOptions): Promise<Embedder> {
    const directory = await siglipDirectory(model);
    const tower = await loadVisionTower(directory, { precision, signal });
    return new Embedder(tower, { name: model, fingerprint: await fingerprintOf(directory).catch(() => directory), precision });
  }

  /** float32[D] */
  async image(image: ImageSource, signal: AbortSignal): Promise<Float32Array> {
    return (await this.#tower.encodeImages([image], { signal })).pooled;
  }

  /** float32[T, D] */
  texts(texts: readonly string[], signal: AbortSignal): Promise<Float32Array> {
    return this.#tower.encodeTexts(texts, { signal });
  }

  /** Scale and bias that make SigLIP's cosines logits of probabilities; undefined for a tower whose logits are none. */
  get sigmoid(): { readonly scale: number; readonly bias: number } | undefined {
    const { logitScale, logitBias } = this.#tower;
    // CLIP's have no bias.
    return logitScale === undefined || logitBias === undefined || logitBias === 0 ? undefined : { scale: logitScale, bias: logitBias };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tower[Symbol.asyncDispose]();
  }
}
