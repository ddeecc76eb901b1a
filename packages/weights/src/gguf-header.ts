import { ggufTypes, type GgufType } from "./gguf-value.js";
import { quoted } from "./quoted.js";
import { byteLengthOf, dtypeOfGgmlType } from "./tensor-dtype.js";
import type { MetadataValue, TensorInfo } from "./weight-source.js";
import { WeightsError } from "./weights-error.js";

export interface GgufHeader {
  readonly version: 2 | 3;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  /** How each value is stored, and the elements of an array. */
  readonly types: ReadonlyMap<string, GgufStoredType>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

export type GgufStoredType = { readonly type: Exclude<GgufType, "array"> } | { readonly type: "array"; readonly of: GgufType };

/** More bytes of the file are needed to go on; not an error of the file. */
export class HeaderContinues extends Error {}

/** The fewest bytes that one value of a type takes. */
const smallestBytes: Readonly<Record<GgufType, number>> = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  bool: 1,
  string: 8,
  array: 12,
  uint64: 8,
  int64: 8,
  float64: 8,
};

/**
 * Bounds far above any known model (the largest vocabularies have some 262,144 tokens, each with a score and a type).
 * Without them a single changed bit in a count or length would have us read on through gigabytes of weights.
 */
const maxTensors = 2 ** 20;
const maxKeys = 2 ** 16;
const maxNameBytes = 2 ** 16 - 1;
/** `tokenizer.huggingface.json` may hold a whole tokenizer.json, 33 MB for Gemma. */
const maxStringBytes = 2 ** 26;
/** Of all arrays of a file together, nested ones included. */
const maxArrayElements = 2 ** 23;
const maxArrayDepth = 4;
/** ggml's GGML_MAX_DIMS. */
export const maxDimensions = 4;

/** Whether the format allows a value of general.alignment: a multiple of 8; the upper bound is ours. */
export function isGgufAlignment(value: number): boolean {
  return Number.isInteger(value) && value >= 8 && value <= 65536 && value % 8 === 0;
}

/**
 * Parses and checks the header of a GGUF file from its first bytes. Counts and lengths are compared with the size of the
 * whole file before anything is believed; tensor data must be aligned, inside the file and free of overlap.
 * @throws HeaderContinues when `start` ends too early
 * @throws WeightsError when the file cannot be right
 */
export function parseGgufHeader(start: Uint8Array, file: string, fileSize: number): GgufHeader {
  const cursor = new Cursor(start, file, fileSize);
  const magic = String.fromCharCode(...cursor.bytes(4));
  if (magic !== "GGUF") throw new WeightsError(`${file}: not a GGUF file: it starts with ${quoted(magic)}`);
  const version = cursor.uint32();
  if (version !== 2 && version !== 3) {
    const bigEndian = version === 0x2000000 || version === 0x3000000;
    throw new WeightsError(`${file}: GGUF version ${bigEndian ? "for big-endian machines" : version}, expected 2 or 3, little-endian; convert it again`);
  }
  const tensorCount = cursor.count("tensors", 24, maxTensors);
  const valueCount = cursor.count("metadata values", 13, maxKeys);
  const metadata = new Map<string, MetadataValue>();
  const types = new Map<string, GgufStoredType>();
  for (let i = 0; i < valueCount; i++) {
    const key = cursor.string("a metadata key", maxNameBytes);
    if (metadata.has(key)) throw new WeightsError(`${file}: the metadata key ${quoted(key)} comes twice`);
    const type = cursor.type(key);
    types.set(key, type === "array" ? { type, of: cursor.nextType(key) } : { type });
    metadata.set(key, cursor.value(type, key, 0));
  }
  const alignment = alignmentOf(metadata.get("general.alignment"), file);
  const entries: TensorEntry[] = [];
  for (let i = 0; i < tensorCount; i++) entries.push(tensorEntry(cursor, file));
  const dataStart = BigInt(Math.ceil(cursor.position / alignment) * alignment);
  return { version, metadata, types, tensors: placed(entries, dataStart, alignment, file, fileSize) };
}

interface TensorEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: TensorInfo["dtype"];
  readonly byteLength: bigint;
  readonly offset: bigint;
}

function tensorEntry(cursor: Cursor, file: string): TensorEntry {
  const name = cursor.string("a tensor's name", maxNameBytes);
  const dimensions = cursor.uint32();
  if (dimensions > maxDimensions) throw new WeightsError(`${file}: ${quoted(name)} has ${dimensions} dimensions, expected at most ${maxDimensions}`);
  const reversed = Array.from({ length: dimensions }, () => cursor.uint64());
  const type = cursor.uint32();
  const offset = cursor.uint64();
  const dtype = dtypeOfGgmlType.get(type);
  if (!dtype) {
    throw new WeightsError(`${file}: ${quoted(name)} has the unknown ggml type ${type}`);
  }
  const shape = reversed.reverse();
  const byteLength = byteLengthOf(dtype, shape);
  if (byteLength === undefined || shape.some((dim) => dim > BigInt(Number.MAX_SAFE_INTEGER))) {
    throw new WeightsError(`${file}: ${quoted(name)}: ${dtype} cannot have the shape [${shape.join(", ")}]`);
  }
  return { name, shape: shape.map(Number), dtype, byteLength, offset };
}

function placed(entries: readonly TensorEntry[], dataStart: bigint, alignment: number, file: string, fileSize: number): Map<string, TensorInfo> {
  const tensors = new Map<string, TensorInfo>();
  for (const { name, shape, dtype, byteLength, offset } of entries) {
    if (tensors.has(name)) throw new WeightsError(`${file}: the tensor ${quoted(name)} comes twice`);
    if (offset % BigInt(alignment) !== 0n) throw new WeightsError(`${file}: ${quoted(name)} starts at ${offset}, expected a multiple of ${alignment}`);
    const end = dataStart + offset + byteLength;
    if (end > BigInt(fileSize)) {
      throw new WeightsError(`${file}: ${quoted(name)} ends at byte ${end}, the file at ${fileSize}: it is truncated or damaged`);
    }
    tensors.set(name, { name, dtype, shape, file, byteOffset: Number(dataStart + offset), byteLength: Number(byteLength) });
  }
  let before: TensorInfo | undefined;
  for (const tensor of [...tensors.values()].sort((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength)) {
    if (before && before.byteOffset + before.byteLength > tensor.byteOffset) {
      throw new WeightsError(`${file}: ${quoted(tensor.name)} starts at ${tensor.byteOffset}, inside ${quoted(before.name)}, which ends at ${before.byteOffset + before.byteLength}`);
    }
    before = tensor;
  }
  return tensors;
}

function alignmentOf(value: MetadataValue | undefined, file: string): number {
  if (value === undefined) return 32;
  if (typeof value === "number" && isGgufAlignment(value)) return value;
  throw new WeightsError(`${file}: general.alignment is ${quoted(String(value))}, expected a multiple of 8 up to 65536`);
}

// A byte-order mark is part of a token or a name, so it stays.
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Reads values in order; the file's size bounds every count before it is used. */
class Cursor {
  position = 0;
  #elementsLeft = maxArrayElements;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #file: string;
  readonly #fileSize: number;

  constructor(bytes: Uint8Array, file: string, fileSize: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#file = file;
    this.#fileSize = fileSize;
  }

  uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  uint64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** A count of things that take at least `bytesEach`, refused above `limit`. */
  count(what: string, bytesEach: number, limit: number): number {
    const count = this.uint64();
    const room = BigInt(this.#fileSize - this.position);
    if (count * BigInt(bytesEach) > room) {
      throw new WeightsError(`${this.#file}: states ${count} ${what}, but only ${room} bytes follow`);
    }
    if (count > BigInt(limit)) throw new WeightsError(`${this.#file}: states ${count} ${what}, expected at most ${limit}`);
    return Number(count);
  }

  string(what: string, maxBytes: number): string {
    return utf8.decode(this.bytes(this.count(`bytes of ${what}`, 1, maxBytes)));
  }

  type(what: string): GgufType {
    const number = this.uint32();
    const type = ggufTypes[number];
    if (!type) throw new WeightsError(`${this.#file}: ${quoted(what)} has the unknown metadata type ${number}`);
    return type;
  }

  /** The type that `type` would give, without going on. */
  nextType(what: string): GgufType {
    const at = this.position;
    const type = this.type(what);
    this.position = at;
    return type;
  }

  value(type: GgufType, key: string, depth: number): MetadataValue {
    switch (type) {
      case "uint8":
        return this.#view.getUint8(this.#take(1));
      case "int8":
        return this.#view.getInt8(this.#take(1));
      case "uint16":
        return this.#view.getUint16(this.#take(2), true);
      case "int16":
        return this.#view.getInt16(this.#take(2), true);
      case "uint32":
        return this.uint32();
      case "int32":
        return this.#view.getInt32(this.#take(4), true);
      case "float32":
        return this.#view.getFloat32(this.#take(4), true);
      case "bool": {
        const byte = this.#view.getUint8(this.#take(1));
        if (byte > 1) throw new WeightsError(`${this.#file}: ${quoted(key)} is the boolean ${byte}, expected 0 or 1`);
        return byte === 1;
      }
      case "string":
        return this.string(quoted(key), maxStringBytes);
      case "uint64":
        return this.uint64();
      case "int64":
        return this.#view.getBigInt64(this.#take(8), true);
      case "float64":
        return this.#view.getFloat64(this.#take(8), true);
      case "array":
        return this.#array(key, depth);
    }
  }

  #array(key: string, depth: number): MetadataValue {
    if (depth >= maxArrayDepth) throw new WeightsError(`${this.#file}: ${quoted(key)} nests arrays deeper than ${maxArrayDepth}`);
    const type = this.type(key);
    const count = this.count(`elements of ${quoted(key)}`, smallestBytes[type], this.#elementsLeft);
    this.#elementsLeft -= count;
    const values: MetadataValue[] = [];
    for (let i = 0; i < count; i++) values.push(this.value(type, key, depth + 1));
    return values;
  }

  #take(length: number): number {
    const at = this.position;
    if (at + length > this.#fileSize) {
      throw new WeightsError(`${this.#file}: the header ends in the middle: byte ${at + length} is needed, the file has ${this.#fileSize}`);
    }
    if (at + length > this.#bytes.length) throw new HeaderContinues();
    this.position += length;
    return at;
  }
}
