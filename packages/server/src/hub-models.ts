import { findManifest, listModels, pullModel, type ModelManifest, type PullEvent } from "@sightline/hub";
import { ApiError } from "./api-error.js";
import type { PullModel, PullProgress, ServerOptions } from "./server-options.js";

/**
 * What lets clients fetch the models that Sightline knows, and no others, into the Hugging Face cache: `pullModel`, and the
 * names of those that fit this machine. For `startServer`.
 */
export async function hubModels(): Promise<Required<Pick<ServerOptions, "pullModel" | "pullableModels">>> {
  const { models } = await listModels();
  const pullable = models.flatMap(({ fits, manifest, downloaded, download }) => {
    const kind = servedAs(manifest);
    return fits && kind ? [{ name: manifest.name, kind, bytes: downloaded.length > 0 ? 0 : download.bytes }] : [];
  });
  return { pullModel: pullKnown, pullableModels: pullable };
}

const pullKnown: PullModel = async (name, { signal, onProgress }) => {
  const manifest = await findManifest(name);
  const kind = manifest && servedAs(manifest);
  // Any repository of the hub would be a way to fill this machine's disk.
  if (!manifest || !kind) throw new ApiError(404, "this is no model that can be fetched; GET /v1/models lists those that can", { param: "model", code: "model_not_found" });
  await pullModel(manifest.name, { signal, onProgress: (event) => tell(event, onProgress) });
  const model = { name: manifest.name, path: manifest.name };
  return kind === "siglip" ? { ...model, kind } : model;
};

/** undefined for what no endpoint serves as it comes: other towers, pairs whose decoder has to be converted first, mini itself. */
function servedAs({ kind, tower, files }: ModelManifest): "chat" | "siglip" | undefined {
  if (kind === "pair") return files.some(({ part }) => part === "decoder") ? "chat" : undefined;
  return kind === "tower" && (tower.family === "siglip" || tower.family === "siglip2-naflex") ? "siglip" : undefined;
}

function tell(event: PullEvent, onProgress: (event: PullProgress) => void): void {
  switch (event.type) {
    case "progress":
      onProgress({ status: "downloading", loadedBytes: event.receivedBytes, totalBytes: event.missingBytes });
      break;
    case "file":
    case "check":
      onProgress({ status: event.type === "file" ? "downloaded" : "checking", file: event.path });
      break;
    case "resolved":
    case "waiting":
    case "retry":
      onProgress({ status: event.type });
      break;
    case "repair":
      onProgress({ status: "repairing", file: event.path });
  }
}
