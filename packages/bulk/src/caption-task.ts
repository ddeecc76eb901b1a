import { chatFingerprint, loadVisionChat, SightlineError, type ImageInput } from "sightline";
import { checkFingerprint } from "./embed-task.js";
import type { ImageOutcome } from "./part-file.js";
import type { CaptionSettings, RunManifest } from "./run-manifest.js";
import type { ShardTask, WorkerSettings } from "./shard-task.js";

/** Captions images with a vision-language model: its likeliest answer to one prompt. */
export async function openCaptionTask(manifest: RunManifest, { prompt, maxTokens, precision }: CaptionSettings, { model = manifest.model, device, threads }: WorkerSettings, signal: AbortSignal): Promise<ShardTask> {
  checkFingerprint(manifest, model, await chatFingerprint(model));
  const chat = await loadVisionChat(model, { precision, signal, ...(device === undefined || device === "auto" ? {} : { device }), ...(threads === undefined ? {} : { threads }) });
  const outcomeOf = async (input: ImageInput, signal: AbortSignal): Promise<ImageOutcome> => {
    try {
      if ("error" in input) throw input.error;
      const { image } = input;
      if (typeof image === "object" && "data" in image) throw new RangeError(`openCaptionTask: ${input.path}: expected a file, got decoded pixels`);
      const { text, finishReason } = await chat.stream({ messages: [{ role: "user", content: [{ type: "image", image }, { type: "text", text: prompt }] }], maxTokens, sampling: { temperature: 0 }, signal }).result;
      // A reply that was stopped is half a caption, and no failure of the image.
      if (finishReason === "aborted") signal.throwIfAborted();
      return { caption: text.trim() };
    } catch (error) {
      if (!signal.aborted && concernsImage(error)) return { error: error.message };
      throw error;
    }
  };
  return {
    async *outcomes(images, signal) {
      for await (const input of images) {
        signal.throwIfAborted();
        yield { path: input.path, outcome: await outcomeOf(input, signal) };
      }
    },
    [Symbol.asyncDispose]: () => chat[Symbol.asyncDispose](),
  };
}

function concernsImage(error: unknown): error is Error {
  return error instanceof Error && (error.name === "ImageError" || (error instanceof SightlineError && ["bad-input", "context-full"].includes(error.code)));
}
