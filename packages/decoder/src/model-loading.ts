import { DecoderError } from "./decoder-error.js";
import {
  registerProgressCallback,
  releaseCallback,
  zeroTerminated,
  type Llama,
  type NativeParams,
  type Pointer,
} from "./native-bindings.js";
import type { NativeLog } from "./native-log.js";
import type { DecoderOptions, LoadSettings } from "./decoder-options.js";
import { callOnWorker } from "./worker-call.js";

/** From this size on a load is worth interrupting, which costs a call into JavaScript for every tensor. */
const worthInterrupting = 256 * 1024 * 1024;

/**
 * `llama_model_load_from_file` on a worker thread.
 * @throws DecoderError `model-load-failed` with llama.cpp's words; the signal's reason when cancelled
 */
export async function loadModel(
  llama: Llama,
  log: NativeLog,
  file: string,
  fileBytes: number,
  settings: LoadSettings,
  { onProgress, signal }: DecoderOptions,
): Promise<Pointer> {
  const interruptible = signal !== undefined && fileBytes >= worthInterrupting;
  const progress =
    onProgress === undefined && !interruptible
      ? undefined
      : registerProgressCallback((fraction) => {
          onProgress?.(fraction);
          return signal?.aborted !== true;
        });
  const params: NativeParams = {
    ...llama.model_default_params(),
    ...(settings.gpuLayers === undefined ? {} : { n_gpu_layers: settings.gpuLayers }),
    progress_callback: progress ?? null,
  };
  try {
    return await withReason(
      log,
      () => callOnWorker(llama.model_load_from_file, zeroTerminated(file), params),
      (reason) => {
        signal?.throwIfAborted();
        return new DecoderError("model-load-failed", `loadDecoder: ${file}: llama.cpp cannot load this model: ${reason}`);
      },
    );
  } finally {
    if (progress !== undefined) releaseCallback(progress);
  }
}

/**
 * `llama_init_from_model` on a worker thread: the KV cache and the compute buffers.
 * @throws DecoderError `model-load-failed` with llama.cpp's words
 */
export async function createContext(llama: Llama, log: NativeLog, model: Pointer, params: NativeParams): Promise<Pointer> {
  return withReason(
    log,
    () => callOnWorker(llama.init_from_model, model, params),
    (reason) =>
      new DecoderError(
        "model-load-failed",
        `loadDecoder: llama.cpp cannot create a context of ${String(params["n_ctx"])} positions for ${String(params["n_seq_max"])} sequences: ${reason}`,
      ),
  );
}

/** Nobody hears the log while things go well (see NativeLog). After a failure the attempt is made again to hear the reason. */
async function withReason(log: NativeLog, attempt: () => Promise<Pointer | null>, failure: (reason: string) => unknown): Promise<Pointer> {
  const first = await attempt();
  if (first !== null) return first;
  const lines: string[] = [];
  const stopListening = log.listen((level, text) => {
    if (level === "error") lines.push(text);
  });
  try {
    const second = await attempt();
    if (second !== null) return second;
  } finally {
    stopListening();
  }
  throw failure(lines.length === 0 ? "it gave no reason" : lines.slice(-4).join("; "));
}
