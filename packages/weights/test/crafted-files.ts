/** A safetensors file: any header text, and as many bytes of data. */
export function safetensorsBytes(header: string, dataBytes: number): Uint8Array {
  const json = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataBytes)]);
}

export interface CraftedGguf {
  readonly version?: number;
  readonly tensorCount?: bigint;
  readonly valueCount?: bigint;
  /** Bytes of metadata and tensor entries, from the pieces below. */
  readonly body?: readonly Uint8Array[];
  /** Zeros behind the header, which is padded to 32 bytes first. */
  readonly dataBytes?: number;
}

/** A GGUF file whose counts need not be true. */
export function ggufBytes({ version = 3, tensorCount = 0n, valueCount = 0n, body = [], dataBytes = 0 }: CraftedGguf): Uint8Array {
  const header = Buffer.concat([Buffer.from("GGUF"), uint32(version), uint64(tensorCount), uint64(valueCount), ...body]);
  return Buffer.concat([header, Buffer.alloc(Math.ceil(header.length / 32) * 32 - header.length + dataBytes)]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function uint64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

/** A length and the text. */
export function ggufString(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([uint64(BigInt(bytes.length)), bytes]);
}

/** A tensor's entry; `ne` in GGUF's order, fastest first. */
export function tensorEntry(name: string, ne: readonly bigint[], type: number, offset: bigint): Buffer {
  return Buffer.concat([ggufString(name), uint32(ne.length), ...ne.map(uint64), uint32(type), uint64(offset)]);
}
