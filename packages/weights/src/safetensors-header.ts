import { JsonReader } from "./json-reader.js";
import { quoted } from "./quoted.js";
import { byteLengthOf, dtypeLayouts, type TensorDtype } from "./tensor-dtype.js";
import type { TensorInfo } from "./weight-source.js";
import { WeightsError } from "./weights-error.js";

/** The format's own limit on the header. */
export const maxHeaderBytes = 100_000_000;
/** Far above any model; they bound what a damaged header can make us build. */
const maxTensors = 2 ** 20;
const maxMetadataEntries = 2 ** 16;
const maxDimensions = 16;

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
 * @throws WeightsError naming the file, the tensor and the numbers that do not agree
 */
export function parseSafetensorsHeader(json: Uint8Array, file: string, fileSize: number): SafetensorsHeader {
  const reader = new JsonReader(json, file);
  const metadata = new Map<string, string>();
  const entries: TensorEntry[] = [];
  reader.members("the header", maxTensors + 1, (name) => {
    if (name !== "__metadata__") {
      entries.push(tensorEntry(name, reader));
      return;
    }
    reader.members("__metadata__", maxMetadataEntries, (key) => {
      metadata.set(key, reader.string(`__metadata__ ${quoted(key)}`));
    });
  });
  reader.end("the header");
  return { metadata, tensors: placed(entries, file, 8 + json.length, fileSize) };
}

interface TensorEntry {
  readonly name: string;
  readonly dtype: TensorDtype;
  readonly shape: readonly number[];
  /** Offsets into the data, the end left out. */
  readonly begin: bigint;
  readonly end: bigint;
}

function tensorEntry(name: string, reader: JsonReader): TensorEntry {
  const tensor = quoted(name);
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  reader.members(tensor, 64, (key) => {
    if (key === "dtype") dtype = reader.string(`the dtype of ${tensor}`);
    else if (key === "shape") shape = reader.counts(`the shape of ${tensor}`, maxDimensions);
    else if (key === "data_offsets") offsets = reader.counts(`the data_offsets of ${tensor}`, 2);
    else reader.skip(tensor);
  });
  if (dtype === undefined || !shape || offsets?.length !== 2) throw reader.error(`${tensor} needs dtype, shape and two data_offsets`);
  if (!isSafetensorsDtype(dtype)) throw reader.error(`${tensor} has the unknown dtype ${quoted(dtype)}`);
  const [begin, end] = offsets.map(BigInt) as [bigint, bigint];
  const needed = byteLengthOf(dtype, shape);
  if (end - begin !== needed) {
    throw reader.error(`${tensor}: ${dtype} [${shape.join(", ")}] needs ${needed} bytes, its data_offsets ${begin} to ${end} hold ${end - begin}`);
  }
  return { name, dtype, shape, begin, end };
}

/** Where each tensor lies in the file, in the header's order. */
function placed(entries: readonly TensorEntry[], file: string, dataStart: number, fileSize: number): Map<string, TensorInfo> {
  const start = BigInt(dataStart);
  let covered = 0n;
  for (const { name, begin, end } of [...entries].sort((a, b) => compare(a.begin, b.begin) || compare(a.end, b.end))) {
    if (begin !== covered) {
      const problem = begin < covered ? "it overlaps another tensor" : "a gap";
      throw new WeightsError(`${file}: ${quoted(name)} starts at byte ${start + begin}, expected ${start + covered} (${problem})`);
    }
    if (start + end > BigInt(fileSize)) {
      throw new WeightsError(`${file}: ${quoted(name)} ends at byte ${start + end}, the file at ${fileSize}: it is truncated or damaged`);
    }
    covered = end;
  }
  if (start + covered !== BigInt(fileSize)) {
    throw new WeightsError(`${file}: its tensors end at byte ${start + covered}, the file at ${fileSize} (extra bytes)`);
  }
  return new Map(
    entries.map(({ name, dtype, shape, begin, end }) => [name, { name, dtype, shape, file, byteOffset: Number(start + begin), byteLength: Number(end - begin) }]),
  );
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether safetensors knows a dtype by this name. */
export function isSafetensorsDtype(dtype: string): dtype is TensorDtype {
  return Object.hasOwn(dtypeLayouts, dtype) && dtypeLayouts[dtype as TensorDtype].inSafetensors === true;
}
