/** A GGUF file taken to pieces that can be changed one by one and put together again, wrong as they may be. */
export interface GgufDocument {
  version: number;
  /** What the header states, where it is not the truth. */
  tensorCount?: bigint;
  keyCount?: bigint;
  keys: GgufKey[];
  tensors: GgufTensor[];
}

export interface GgufKey {
  key: Buffer;
  /** GGUF's type number. */
  type: number;
  /** Of an array: the elements' type number, and what it states as its length where that is not the truth. */
  of?: number;
  count?: bigint;
  /** One scalar or string (its bytes), or an array's elements. */
  values: Buffer[];
}

export interface GgufTensor {
  name: Buffer;
  /** GGUF's order, fastest first. */
  dims: bigint[];
  type: number;
  /** Bytes from the start of the data; put one after the other where it is left out. */
  offset?: bigint;
  data: Buffer;
}

export const stringType = 8;
export const arrayType = 9;
/** Bytes of the types of fixed size. */
export const sizeOfType: Readonly<Record<number, number>> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };
const alignment = 32;

/** Reads a file that is right. */
export function readDocument(file: Buffer): GgufDocument {
  let at = 24;
  const uint32 = (): number => file.readUInt32LE((at += 4) - 4);
  const uint64 = (): bigint => file.readBigUInt64LE((at += 8) - 8);
  const taken = (length: number): Buffer => file.subarray(at, (at += length));
  const string = (): Buffer => taken(Number(uint64()));
  const value = (type: number): Buffer => (type === stringType ? string() : taken(sizeOfType[type] as number));
  const keys = Array.from({ length: Number(file.readBigUInt64LE(16)) }, (): GgufKey => {
    const key = string();
    const type = uint32();
    if (type !== arrayType) return { key, type, values: [value(type)] };
    const of = uint32();
    return { key, type, of, values: Array.from({ length: Number(uint64()) }, () => value(of)) };
  });
  const entries = Array.from({ length: Number(file.readBigUInt64LE(8)) }, () => {
    const name = string();
    const dims = Array.from({ length: uint32() }, uint64);
    return { name, dims, type: uint32(), offset: uint64() };
  });
  const start = padded(at);
  const starts = [...entries.map(({ offset }) => Number(offset)), file.length - start].toSorted((a, b) => a - b);
  const tensors = entries.map(({ offset, ...entry }): GgufTensor => {
    const end = starts.find((other) => other > Number(offset)) ?? Number(offset);
    return { ...entry, data: file.subarray(start + Number(offset), start + end) };
  });
  return { version: file.readUInt32LE(4), keys, tensors };
}

/** The document's bytes, and how many of them are the header. */
export function writeDocument({ version, keys, tensors, tensorCount, keyCount }: GgufDocument): { readonly bytes: Buffer; readonly headerBytes: number } {
  const pieces: Buffer[] = [Buffer.from("GGUF"), uint32(version), uint64(tensorCount ?? BigInt(tensors.length)), uint64(keyCount ?? BigInt(keys.length))];
  const string = (bytes: Buffer): Buffer[] => [uint64(BigInt(bytes.length)), bytes];
  for (const { key, type, of, count, values } of keys) {
    pieces.push(...string(key), uint32(type));
    if (of !== undefined) pieces.push(uint32(of), uint64(count ?? BigInt(values.length)));
    for (const value of values) pieces.push(...((of ?? type) === stringType ? string(value) : [value]));
  }
  let next = 0;
  for (const { name, dims, type, offset, data } of tensors) {
    pieces.push(...string(name), uint32(dims.length), ...dims.map(uint64), uint32(type), uint64(offset ?? BigInt(next)));
    next += padded(data.length);
  }
  const headerBytes = pieces.reduce((sum, { length }) => sum + length, 0);
  pieces.push(Buffer.alloc(padded(headerBytes) - headerBytes));
  for (const { data } of tensors) pieces.push(data, Buffer.alloc(padded(data.length) - data.length));
  return { bytes: Buffer.concat(pieces), headerBytes };
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

export function uint64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  return bytes;
}

function padded(length: number): number {
  return Math.ceil(length / alignment) * alignment;
}
