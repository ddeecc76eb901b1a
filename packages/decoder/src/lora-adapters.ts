import { DecoderError } from "./decoder-error.js";
import { checkGgufFile } from "./gguf-file-check.js";
import { ggufTypes, readGgufHeader, type GgufHeader } from "./gguf-metadata.js";
import { withReason } from "./model-loading.js";
import { zeroTerminated, type Llama, type Pointer } from "./native-bindings.js";
import type { NativeLog } from "./native-log.js";
import { callOnWorker } from "./worker-call.js";

/** A LoRA adapter in GGUF, as llama.cpp's convert_lora_to_gguf.py writes it. */
export interface LoraAdapter {
  readonly path: string;
  /** How much of it is added: 1 as trained, 0 nothing, negative takes away; -1000 to 1000. Default 1. */
  readonly scale?: number;
}

/** Throws DecoderError `bad-option`. */
export function resolveAdapters(given: unknown): readonly Required<LoraAdapter>[] {
  if (given === undefined) return [];
  if (!Array.isArray(given)) throw new DecoderError("bad-option", `loadDecoder: loraAdapters: expected an array of { path, scale }, got ${typeof given}`);
  const entries: readonly unknown[] = given;
  return entries.map((entry, index) => {
    const where = `loadDecoder: loraAdapters[${index}]`;
    const { path, scale = 1 }: { path?: unknown; scale?: unknown } = typeof entry === "object" && entry !== null ? entry : {};
    if (typeof path !== "string" || path.includes("\0")) throw new DecoderError("bad-option", `${where}.path: expected a string, got ${typeof path}`);
    if (typeof scale !== "number" || !(Math.abs(scale) <= 1000)) throw new DecoderError("bad-option", `${where}.scale: expected a number from -1000 to 1000, got ${String(scale)}`);
    return { path, scale };
  });
}

/**
 * Loads adapters for a model. They are freed with it. To be called before the context is made, whose graph has room for them.
 * @throws DecoderError `bad-adapter-file` when a file is none or does not fit the model
 */
export async function loadAdapters(llama: Llama, log: NativeLog, model: Pointer, architecture: string, adapters: readonly Required<LoraAdapter>[]): Promise<readonly Pointer[]> {
  const loaded: Pointer[] = [];
  for (const { path } of adapters) {
    await checkAdapterFile(path, architecture);
    const path0 = zeroTerminated(path);
    loaded.push(
      await withReason(
        log,
        () => callOnWorker(llama.adapters.init, model, path0),
        (reason) => new DecoderError("bad-adapter-file", `loadDecoder: ${path}: this LoRA adapter does not fit the model: ${reason}`),
      ),
    );
  }
  return loaded;
}

/** Puts adapters to work on a context. */
export function applyAdapters(llama: Llama, context: Pointer, loaded: readonly Pointer[], adapters: readonly Required<LoraAdapter>[]): void {
  if (loaded.length === 0) return;
  const pointers = new BigUint64Array(new ArrayBuffer(loaded.length * 8));
  const scales = new Float32Array(new ArrayBuffer(loaded.length * 4));
  loaded.forEach((pointer, i) => {
    pointers[i] = pointer;
    scales[i] = adapters[i]?.scale ?? 1;
  });
  const status = llama.adapters.set(context, pointers, loaded.length, scales);
  if (status !== 0) throw new DecoderError("bad-adapter-file", `loadDecoder: llama.cpp does not take the LoRA adapters: status ${status}`);
}

/** Matrices of these ggml types can be multiplied: F32, F16, BF16 and the block formats of Q4_0 to Q8_0. */
const matrixTypes: ReadonlySet<number> = new Set([0, 1, 2, 3, 6, 7, 8, 30]);

/** Everything that llama.cpp answers with an abort of the process, and what it says less clearly. */
async function checkAdapterFile(file: string, architecture: string): Promise<void> {
  const fail = (problem: string, cause?: unknown): DecoderError =>
    new DecoderError("bad-adapter-file", `loadDecoder: ${file}: ${problem}`, cause === undefined ? undefined : { cause });
  let header: GgufHeader;
  try {
    await checkGgufFile(file);
    header = await readGgufHeader(file);
  } catch (error) {
    if (error instanceof DecoderError) throw new DecoderError("bad-adapter-file", error.message, { cause: error });
    throw fail(error instanceof Error ? error.message : String(error), error);
  }
  const text = (key: string, expected: string, otherwise: string): void => {
    const found = header.values.get(key);
    if (found?.type !== ggufTypes.string || found.value !== expected) throw fail(`expected ${key} "${expected}"${otherwise}, got ${found === undefined ? "none" : JSON.stringify(String(found.value))}`);
  };
  text("general.type", "adapter", ", a LoRA adapter");
  text("adapter.type", "lora", "");
  text("general.architecture", architecture, ", this decoder's");
  const alpha = header.values.get("adapter.lora.alpha");
  if (alpha === undefined || alpha.type !== ggufTypes.float32 || !Number.isFinite(alpha.value)) {
    throw fail(`expected adapter.lora.alpha as a float32, got ${alpha === undefined ? "none" : String(alpha.value)}`);
  }
  checkPairs(header, fail);
}

/** Pairs must have one rank. llama.cpp does not compare it for the token embeddings, and would fail while it computes. */
function checkPairs({ tensors }: GgufHeader, fail: (problem: string) => DecoderError): void {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  if (!tensors.some(({ name }) => name.endsWith(".lora_a"))) throw fail("expected tensors named *.lora_a and *.lora_b, got none");
  for (const tensor of tensors) {
    const [, base, side] = /^(.*)\.lora_([ab])$/.exec(tensor.name) ?? [];
    if (base === undefined) continue;
    const a = byName.get(`${base}.lora_a`);
    const b = byName.get(`${base}.lora_b`);
    if (a === undefined || b === undefined) throw fail(`${tensor.name}: expected its other half ${base}.lora_${side === "a" ? "b" : "a"}`);
    for (const half of [a, b]) {
      if (!matrixTypes.has(half.type)) throw fail(`${half.name}: expected F32, F16, BF16 or Q4_0 to Q8_0, got ggml type ${half.type}`);
      if (half.shape.some((size) => size < 1) || half.shape.length < 2) throw fail(`${half.name}: expected a matrix, got [${half.shape.join(", ")}]`);
    }
    // The token embeddings' halves are the other way round.
    const [rankA, rankB] = base.endsWith("token_embd.weight") ? [a.shape[0], b.shape[0]] : [a.shape[1], b.shape[0]];
    if (rankA !== rankB || a.shape.slice(2).join() !== b.shape.slice(2).join()) {
      throw fail(`${base}: expected lora_a and lora_b of one rank, got [${a.shape.join(", ")}] and [${b.shape.join(", ")}]`);
    }
  }
}
