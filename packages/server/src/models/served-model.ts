import type { Siglip, VisionChat } from "sightline";
import type { LoadableModel, ModelStatus } from "./loadable-model.js";
import type { WorkQueue } from "./work-queue.js";

interface Served<M extends AsyncDisposable> {
  readonly name: string;
  readonly model: LoadableModel<M>;
  readonly queue: WorkQueue;
  /** Of its files: about what it takes in memory. */
  readonly bytes: number;
  /** Unix time, seconds: when it was added. */
  readonly created: number;
}

export type ServedChat = Served<VisionChat> & { readonly kind: "chat" };
export type ServedSiglip = Served<Siglip> & { readonly kind: "siglip" };
export type ServedModel = ServedChat | ServedSiglip;

/** A model as `/v1/models` lists it. */
export interface ListedModel {
  readonly id: string;
  readonly object: "model";
  readonly created: number;
  readonly owned_by: "sightline";
  readonly kind: "chat" | "siglip";
  readonly status: "loaded" | "available" | "downloading";
  /** Of one that has to be fetched first: about how much, bytes; null where that is not known. */
  readonly download_bytes?: number | null;
  readonly input_modalities: readonly ("text" | "image")[];
  readonly output_modalities: readonly ("text" | "embedding")[];
}

export function listedModel({ name, kind, created, model }: ServedModel): ListedModel {
  return describeListed(name, kind, created, statusOf(model.status));
}

export function describeListed(id: string, kind: "chat" | "siglip", created: number, status: ListedModel["status"]): ListedModel {
  return { id, object: "model", created, owned_by: "sightline", kind, status, input_modalities: ["text", "image"], output_modalities: [kind === "chat" ? "text" : "embedding"] };
}

/** One that is being loaded, or failed to, can be asked for like any other. */
function statusOf(status: ModelStatus): ListedModel["status"] {
  return status === "loaded" ? "loaded" : "available";
}
