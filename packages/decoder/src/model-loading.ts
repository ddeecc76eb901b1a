import { llamaV040 as abi } from "./abi/llama-v0.4.0.js";
import { splitModes } from "./abi/llama-v0.4.0-devices.js";
import { DecoderError } from "./decoder-error.js";
import {
  addressOf,
  registerProgressCallback,
  releaseCallback,
  zeroTerminated,
  type Llama,
  type NativeParams,
  type Pointer,
} from "./native-bindings.js";
import { modelMetadata } from "./model-metadata.js";
import type { NativeLog } from "./native-log.js";
import { cacheBytesPerLayer, layersThatFit, readLayerFacts } from "./gpu-layers.js";
import { defaultContextLength, type DecoderOptions, type LoadSettings } from "./decoder-options.js";
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
  const split = settings.tensorSplit === undefined ? undefined : tensorSplit(llama, settings.tensorSplit);
  try {
    const gpuLayers = settings.gpuLayers === "auto" ? await chooseGpuLayers(llama, file, fileBytes, settings) : settings.gpuLayers;
    const params: NativeParams = {
      ...llama.model_default_params(),
      ...(gpuLayers === undefined ? {} : { n_gpu_layers: gpuLayers }),
      ...(split === undefined ? {} : { tensor_split: addressOf(split) }),
      ...(settings.mainGpu === undefined ? {} : { main_gpu: settings.mainGpu }),
      ...(settings.splitMode === undefined ? {} : { split_mode: splitModes[settings.splitMode] }),
      progress_callback: progress ?? null,
    };
    return await withReason(
      log,
      () => callOnWorker(llama.model_load_from_file, zeroTerminated(file), params),
      (reason) => {
        signal?.throwIfAborted();
        const [, architecture] = /unknown model architecture: '(.*?)'/.exec(reason) ?? [];
        if (architecture !== undefined) {
          return new DecoderError("unsupported-model", `loadDecoder: ${file}: llama.cpp ${abi.release} does not know the architecture ${JSON.stringify(architecture.slice(0, 40))}; take another model, or a Sightline with a newer llama.cpp`);
        }
        return new DecoderError("model-load-failed", `loadDecoder: ${file}: llama.cpp cannot load this model: ${reason}`);
      },
    );
  } finally {
    if (progress !== undefined) releaseCallback(progress);
    // Native code knew only its address: a use after the load keeps it until then.
    split?.fill(0);
  }
}

/** Shares for as many devices as llama.cpp reads. */
function tensorSplit(llama: Llama, shares: readonly number[]): Float32Array {
  const most = llama.devices.maxDevices();
  if (shares.length > most) throw new DecoderError("bad-option", `loadDecoder: tensorSplit: expected at most ${most} shares, got ${shares.length}`);
  const split = new Float32Array(new ArrayBuffer(most * 4));
  split.set(shares);
  return split;
}

/**
 * n_gpu_layers by the GPUs' free memory; undefined, llama.cpp's default, without a GPU or where the model does not say how
 * many layers it has. Its metadata is read by loading the vocabulary alone.
 */
export async function chooseGpuLayers(
  llama: Llama,
  file: string,
  fileBytes: number,
  settings: LoadSettings,
  freeBytes: readonly number[] = llama.devices.gpus().map((gpu) => gpu.freeBytes),
): Promise<number | undefined> {
  if (freeBytes.length === 0) return undefined;
  const model = await callOnWorker(llama.model_load_from_file, zeroTerminated(file), { ...llama.model_default_params(), vocab_only: true });
  if (model === null) return undefined;
  try {
    const facts = readLayerFacts((key) => modelMetadata(llama, model, key));
    if (facts === undefined) return undefined;
    const trained = Number(modelMetadata(llama, model, `${modelMetadata(llama, model, "general.architecture") ?? ""}.context_length`) ?? Number.NaN);
    const positions = settings.maxSequences * (settings.contextLength ?? Math.min(defaultContextLength, trained > 0 ? trained : defaultContextLength));
    return layersThatFit({
      modelBytes: fileBytes,
      layers: facts.layers,
      cacheBytesPerLayer: cacheBytesPerLayer(facts, positions, settings.cacheTypeK, settings.cacheTypeV),
      freeBytes,
    });
  } finally {
    llama.model_free(model);
  }
}

/**
 * `llama_init_from_model` on a worker thread: the KV cache and the compute buffers.
 * @throws DecoderError `model-load-failed` with llama.cpp's words
 */
export async function createContext(llama: Llama, log: NativeLog, file: string, model: Pointer, params: NativeParams): Promise<Pointer> {
  return withReason(
    log,
    () => callOnWorker(llama.init_from_model, model, params),
    (reason) =>
      new DecoderError(
        "model-load-failed",
        `loadDecoder: ${file}: llama.cpp cannot create a context of ${String(params["n_ctx"])} positions for ${String(params["n_seq_max"])} sequences: ${reason}`,
      ),
  );
}

/** Nobody hears the log while things go well (see NativeLog). After a failure the attempt is made again to hear the reason. */
export async function withReason(log: NativeLog, attempt: () => Promise<Pointer | null>, failure: (reason: string) => unknown): Promise<Pointer> {
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
