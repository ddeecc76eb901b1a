import { byteLengthOf, dtypeLayouts, type TensorDtype } from "./tensor-dtype.js";
import type { TensorInfo } from "./weight-source.js";
import { WeightsError } from "./weights-error.js";

/** The format's own limit on the header. */
export const maxHeaderBytes = 100_000_000;

export interface SafetensorsHeader {
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

/** The length that the first 8 bytes state. Throws WeightsError when the file cannot hold it. */
export function headerLength(start: Uint8Array, file: string, fileSize: number): number {
  if (start.length < 8) throw new WeightsError(`${file}: a safetensors file starts with 8 bytes of header length, this one has ${fileSize} bytes in all`);
  const length = new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes) || length + 8n > BigInt(fileSize)) {
    throw new WeightsError(`${file}: states a header of ${length} bytes, but the file has ${fileSize} bytes and a header at most ${maxHeaderBytes}`);
  }
  return Number(length);
}

/**
 * Parses and checks a safetensors header: every tensor's dtype, shape and bytes agree, and the tensors cover the rest of
 * the file without gap or overlap, as the format demands.
 * @param json the header's bytes, without the length before them
 */
export function parseSafetensorsHeader(json: Uint8Array, file: string, fileSize: number): SafetensorsHeader {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch (cause) {
    throw new WeightsError(`${file}: the header of ${json.length} bytes is not JSON`, { cause });
  }
  if (!isRecord(header)) throw new WeightsError(`${file}: the header is not a JSON object`);
  const metadata = new Map<string, string>();
  const tensors = new Map<string, TensorInfo>();
  const dataStart = 8 + json.length;
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") {
      if (!isRecord(entry)) throw new WeightsError(`${file}: __metadata__ is not an object`);
      for (const [key, value] of Object.entries(entry)) metadata.set(key, String(value));
    } else tensors.set(name, tensorInfo(name, entry, file, dataStart));
  }
  checkCover([...tensors.values()], file, dataStart, fileSize);
  return { metadata, tensors };
}

function tensorInfo(name: string, entry: unknown, file: string, dataStart: number): TensorInfo {
  const bad = (problem: string): WeightsError => new WeightsError(`${file}: "${name}": ${problem}`);
  if (!isRecord(entry)) throw bad("its entry is not an object");
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== "string" || !isDtype(dtype)) throw bad(`unknown dtype ${JSON.stringify(dtype)}`);
  if (!Array.isArray(shape) || shape.length > 16 || !shape.every(isCount)) throw bad(`impossible shape ${JSON.stringify(shape)?.slice(0, 100)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) throw bad(`impossible data_offsets ${JSON.stringify(offsets)?.slice(0, 100)}`);
  const [begin, end] = offsets as [number, number];
  const expected = byteLengthOf(dtype, shape);
  if (expected === undefined || BigInt(end) - BigInt(begin) !== expected) {
    throw bad(`${dtype} [${shape.join(", ")}] needs ${expected} bytes, its data_offsets ${begin} to ${end} hold ${end - begin}`);
  }
  return { name, dtype, shape, file, byteOffset: dataStart + begin, byteLength: end - begin };
}

function checkCover(tensors: readonly TensorInfo[], file: string, dataStart: number, fileSize: number): void {
  let end = dataStart;
  for (const tensor of [...tensors].sort((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength)) {
    if (tensor.byteOffset !== end) {
      throw new WeightsError(`${file}: "${tensor.name}" starts at byte ${tensor.byteOffset}, expected ${end} (${tensor.byteOffset < end ? "it overlaps another tensor" : "a gap"})`);
    }
    end += tensor.byteLength;
  }
  if (end !== fileSize) throw new WeightsError(`${file}: its tensors end at byte ${end}, the file at ${fileSize} (${end > fileSize ? "truncated" : "extra bytes"})`);
}

function isDtype(dtype: string): dtype is TensorDtype {
  return Object.hasOwn(dtypeLayouts, dtype) && !dtype.startsWith("Q");
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
