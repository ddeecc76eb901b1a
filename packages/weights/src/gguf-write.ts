import { writeAtomically } from "./atomic-file.js";
import { ggufTypes, type GgufType } from "./gguf-header.js";
import { encodeTensor, plannedBytes, type TensorToWrite } from "./tensor-to-write.js";
import { dtypeLayouts } from "./tensor-dtype.js";
import { WeightsError } from "./weights-error.js";

/** A metadata value with the type that it is stored as. */
export type GgufValue =
  | { readonly type: "uint8" | "int8" | "uint16" | "int16" | "uint32" | "int32" | "float32" | "float64"; readonly value: number }
  | { readonly type: "uint64" | "int64"; readonly value: bigint | number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "array"; readonly of: Exclude<GgufType, "array">; readonly value: readonly (number | bigint | boolean | string)[] };

export interface GgufFile {
  readonly metadata: Iterable<readonly [key: string, value: GgufValue]>;
  readonly tensors: readonly TensorToWrite[];
  /** Bytes; 32 when left out. */
  readonly alignment?: number;
}

/**
 * Writes a GGUF file (version 3), atomically and one tensor at a time.
 * @throws WeightsError when data does not agree with dtype and shape, a key or name comes twice, or a dtype has no GGUF type
 */
export async function writeGguf(file: string, { metadata, tensors, alignment = 32 }: GgufFile): Promise<void> {
  const values = new Map(metadata);
  if (alignment !== 32) values.set("general.alignment", { type: "uint32", value: alignment });
  const header = new Bytes();
  header.text("GGUF");
  header.uint32(3);
  header.uint64(tensors.length);
  header.uint64(values.size);
  for (const [key, value] of values) {
    header.string(key);
    header.typed(value);
  }
  const padded = (length: number): number => Math.ceil(length / alignment) * alignment;
  const names = new Set<string>();
  let offset = 0;
  for (const tensor of tensors) {
    const { ggmlType } = dtypeLayouts[tensor.dtype];
    if (ggmlType === undefined) throw new WeightsError(`writeGguf: ${file}: "${tensor.name}": GGUF has no ${tensor.dtype}`);
    if (names.has(tensor.name)) throw new WeightsError(`writeGguf: ${file}: "${tensor.name}" comes twice`);
    names.add(tensor.name);
    header.string(tensor.name);
    header.uint32(tensor.shape.length);
    for (const dim of [...tensor.shape].reverse()) header.uint64(dim);
    header.uint32(ggmlType);
    header.uint64(offset);
    offset += padded(plannedBytes(tensor));
  }
  await writeAtomically(file, async (append) => {
    const start = header.done();
    await append(start);
    await append(new Uint8Array(padded(start.length) - start.length));
    for (const tensor of tensors) {
      const bytes = await encodeTensor(tensor);
      await append(bytes);
      await append(new Uint8Array(padded(bytes.length) - bytes.length));
    }
  });
}

/** Little-endian bytes that grow. */
class Bytes {
  #buffer = new Uint8Array(65536);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;

  done(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  text(text: string): void {
    const bytes = new TextEncoder().encode(text);
    const at = this.#grow(bytes.length);
    this.#buffer.set(bytes, at);
  }

  string(text: string): void {
    this.uint64(new TextEncoder().encode(text).length);
    this.text(text);
  }

  uint32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
  }

  uint64(value: number | bigint): void {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, BigInt(value), true);
  }

  typed(value: GgufValue): void {
    this.uint32(ggufTypes.indexOf(value.type));
    if (value.type !== "array") return this.#scalar(value.type, value.value);
    this.uint32(ggufTypes.indexOf(value.of));
    this.uint64(value.value.length);
    for (const element of value.value) this.#scalar(value.of, element);
  }

  #scalar(type: Exclude<GgufType, "array">, value: number | bigint | boolean | string): void {
    if (type === "string") return this.string(String(value));
    const at = this.#grow({ uint8: 1, int8: 1, bool: 1, uint16: 2, int16: 2, uint32: 4, int32: 4, float32: 4, uint64: 8, int64: 8, float64: 8 }[type]);
    const view = this.#view;
    switch (type) {
      case "uint8":
      case "bool":
        return view.setUint8(at, Number(value));
      case "int8":
        return view.setInt8(at, Number(value));
      case "uint16":
        return view.setUint16(at, Number(value), true);
      case "int16":
        return view.setInt16(at, Number(value), true);
      case "uint32":
        return view.setUint32(at, Number(value), true);
      case "int32":
        return view.setInt32(at, Number(value), true);
      case "float32":
        return view.setFloat32(at, Number(value), true);
      case "float64":
        return view.setFloat64(at, Number(value), true);
      case "uint64":
        return view.setBigUint64(at, BigInt(value), true);
      case "int64":
        return view.setBigInt64(at, BigInt(value), true);
    }
  }

  /** Makes room and returns where it starts. Views are made anew, so callers take the position first. */
  #grow(length: number): number {
    const at = this.#length;
    this.#length += length;
    if (this.#length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(this.#buffer.length * 2, this.#length));
      larger.set(this.#buffer.subarray(0, at));
      this.#buffer = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}
