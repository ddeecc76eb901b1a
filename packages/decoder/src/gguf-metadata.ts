import { open } from "node:fs/promises";

/** A tensor of a GGUF file as its header describes it; `shape` in GGUF's order, the innermost dimension first. */
export interface GgufTensorInfo {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: number;
}

/** An array as a GGUF header has it; its elements are read when they are asked for. */
export interface GgufArray {
  /** Type of its elements. */
  readonly of: number;
  readonly length: number;
  /** Numbers and truth values, at most so many from the start; empty for an array of texts. */
  readonly numbers: (most: number) => number[];
  /** Each text as one character a byte, since tokens need not be UTF-8; none for an array of something else. */
  readonly byteStrings: () => Iterable<string>;
}

/** A GGUF header: values of keys that are single numbers, truth values or texts, the arrays, and the tensors. */
export interface GgufHeader {
  readonly values: ReadonlyMap<string, { readonly type: number; readonly value: number | bigint | boolean | string }>;
  readonly arrays: ReadonlyMap<string, GgufArray>;
  readonly tensors: readonly GgufTensorInfo[];
}

/** What is read at first; a longer header in steps that double. */
const firstRead = 1024 * 1024;
/** Headers that are longer are not read: a vocabulary of 262,144 tokens takes 15 MB. */
const longestHeader = 128 * 1024 * 1024;

/** GGUF's value types. */
export const ggufTypes: { readonly uint32: number; readonly float32: number; readonly bool: number; readonly string: number; readonly array: number } = {
  uint32: 4,
  float32: 6,
  bool: 7,
  string: 8,
  array: 9,
};

/** Bytes of the value types of fixed size. */
const sizes: Readonly<Record<number, number>> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };

/**
 * Reads the header of a GGUF file (see checkGgufFile for what must hold before).
 * @throws Error saying what is wrong
 */
export async function readGgufHeader(file: string): Promise<GgufHeader> {
  const handle = await open(file, "r");
  try {
    const { size } = await handle.stat();
    for (let length = firstRead; ; length *= 2) {
      const bytes = Buffer.alloc(Math.min(size, length));
      await handle.read(bytes, 0, bytes.length, 0);
      try {
        return new HeaderReader(bytes).read();
      } catch (error) {
        if (!(error instanceof HeaderEnds) || length >= Math.min(size, longestHeader)) throw error;
      }
    }
  } finally {
    await handle.close();
  }
}

/** The bytes that were read end within the header. */
class HeaderEnds extends Error {}

class HeaderReader {
  readonly #bytes: Buffer;
  #at = 8;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  read(): GgufHeader {
    const [tensorCount, keyCount] = [this.#count(), this.#count()];
    const values = new Map<string, { type: number; value: number | bigint | boolean | string }>();
    const arrays = new Map<string, GgufArray>();
    for (let i = 0; i < keyCount; i++) {
      const key = this.#string();
      const type = this.#uint32();
      if (type === ggufTypes.array) arrays.set(key, this.#array());
      else values.set(key, { type, value: this.#value(type) });
    }
    const tensors: GgufTensorInfo[] = [];
    for (let i = 0; i < tensorCount; i++) {
      const name = this.#string();
      const rank = this.#uint32();
      if (rank < 1 || rank > 4) throw new Error(`tensor ${JSON.stringify(name)}: expected 1 to 4 dimensions, got ${rank}`);
      const shape = Array.from({ length: rank }, () => this.#count());
      tensors.push({ name, shape, type: this.#uint32() });
      this.#take(8);
    }
    return { values, arrays, tensors };
  }

  #value(type: number): number | bigint | boolean | string {
    if (type === ggufTypes.string) return this.#string();
    const size = sizes[type];
    if (size === undefined) throw new Error(`unknown value type ${type}`);
    const at = this.#take(size);
    switch (type) {
      case ggufTypes.float32:
        return this.#bytes.readFloatLE(at);
      case ggufTypes.bool:
        return this.#bytes[at] !== 0;
      case 12:
        return this.#bytes.readDoubleLE(at);
      case 10:
        return this.#bytes.readBigUInt64LE(at);
      case 11:
        return this.#bytes.readBigInt64LE(at);
      default:
        return type % 2 === 0 ? this.#bytes.readUIntLE(at, size) : this.#bytes.readIntLE(at, size);
    }
  }

  #array(): GgufArray {
    const of = this.#uint32();
    const length = this.#count();
    const start = this.#at;
    const size = sizes[of];
    if (size !== undefined) this.#take(length * size);
    else if (of === ggufTypes.string) for (let i = 0; i < length; i++) this.#take(this.#count());
    else throw new Error(`unknown array type ${of}`);
    const at = (position: number): HeaderReader => {
      const reader = new HeaderReader(this.#bytes);
      reader.#at = position;
      return reader;
    };
    return {
      of,
      length,
      numbers(most) {
        if (size === undefined) return [];
        const reader = at(start);
        return Array.from({ length: Math.min(length, most) }, () => Number(reader.#value(of)));
      },
      *byteStrings() {
        if (of !== ggufTypes.string) return;
        const reader = at(start);
        for (let i = 0; i < length; i++) yield reader.#byteString();
      },
    };
  }

  #byteString(): string {
    const length = this.#count();
    const at = this.#take(length);
    return this.#bytes.toString("latin1", at, at + length);
  }

  #string(): string {
    const length = this.#count();
    const at = this.#take(length);
    return this.#bytes.toString("utf8", at, at + length);
  }

  #uint32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  #count(): number {
    return Number(this.#bytes.readBigUInt64LE(this.#take(8)));
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (!(at + bytes <= this.#bytes.length)) throw new HeaderEnds("the header ends early: truncated?");
    this.#at = at + bytes;
    return at;
  }
}
