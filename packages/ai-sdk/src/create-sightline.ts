import { NoSuchModelError, type EmbeddingModelV4, type LanguageModelV4, type ProviderV4 } from "@ai-sdk/provider";
import { loadSiglip, loadVisionChat, type VisionChatOptions } from "sightline";
import { LoadedModels } from "./loaded-models.js";
import { SightlineEmbeddingModel } from "./sightline-embedding-model.js";
import { SightlineLanguageModel } from "./sightline-language-model.js";

/** How models are loaded; each at its first use, once. */
export interface SightlineSettings {
  /** Of language models; `conversations` replies run together, 4 when left out. */
  readonly chat?: Omit<VisionChatOptions, "signal">;
  /** Of embedding models. */
  readonly siglip?: NonNullable<Parameters<typeof loadSiglip>[1]>;
}

/** A provider of the AI SDK whose models run in this process. Calling it gives a language model. */
export interface SightlineProvider extends ProviderV4, AsyncDisposable {
  /** @param modelId what `loadVisionChat` takes: "mini", a folder, or the name of a model that was pulled */
  (modelId: string): LanguageModelV4;
  /**
   * A model for `embed` and `embedMany`.
   * @param modelId what `loadSiglip` takes: "mini", a folder, a file, or a hub name
   */
  embeddingModel(modelId: string): EmbeddingModelV4;
  /** Waits for what is under way, then frees every model that was loaded. Calls after that fail. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Sightline as a provider of the AI SDK: pictures in prompts, streaming, JSON that fits a schema, embeddings of texts and
 * pictures. Nothing is loaded until a model is used; models of one name are one model.
 *
 * Tools are refused with UnsupportedFunctionalityError. `providerOptions.sightline` takes SightlineCallOptions.
 */
export function createSightline({ chat = {}, siglip = {} }: SightlineSettings = {}): SightlineProvider {
  const chats = new LoadedModels((modelId) => loadVisionChat(modelId, { conversations: 4, ...chat }));
  const siglips = new LoadedModels((modelId) => loadSiglip(modelId, siglip));
  const languageModel = (modelId: string): LanguageModelV4 => new SightlineLanguageModel(modelId, () => chats.get(modelId));
  const embeddingModel = (modelId: string): EmbeddingModelV4 => new SightlineEmbeddingModel(modelId, () => siglips.get(modelId));
  return Object.assign((modelId: string) => languageModel(modelId), {
    specificationVersion: "v4" as const,
    languageModel,
    embeddingModel,
    imageModel: (modelId: string): never => {
      throw new NoSuchModelError({ modelId, modelType: "imageModel", message: "sightline: models here look at pictures and make none" });
    },
    [Symbol.asyncDispose]: async (): Promise<void> => {
      await Promise.all([chats[Symbol.asyncDispose](), siglips[Symbol.asyncDispose]()]);
    },
  });
}
