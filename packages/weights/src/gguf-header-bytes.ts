import { checkGgufScalar, ggufTypes, type GgufType, type GgufValue } from "./gguf-value.js";

const encoder = new TextEncoder();

/** Little-endian bytes of a GGUF header; they grow. */
export class GgufHeaderBytes {
  #buffer = new Uint8Array(65536);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;

  done(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#buffer.set(bytes, at);
  }

  string(text: string): void {
    const bytes = encoder.encode(text);
    this.uint64(bytes.length);
    this.bytes(bytes);
  }

  uint32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
  }

  uint64(value: number | bigint): void {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, BigInt(value), true);
  }

  /** @param key named in errors */
  typed(value: GgufValue, key: string): void {
    this.uint32(ggufTypes.indexOf(value.type));
    if (value.type !== "array") return this.#scalar(value.type, value.value, key);
    this.uint32(ggufTypes.indexOf(value.of));
    this.uint64(value.value.length);
    for (const element of value.value) this.#scalar(value.of, element, key);
  }

  #scalar(type: Exclude<GgufType, "array">, value: number | bigint | boolean | string, key: string): void {
    checkGgufScalar(type, value, key);
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
