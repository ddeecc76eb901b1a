import { WeightsError, type GgufValue, type TensorDtype, type TensorToWrite, type WeightSource } from "@sightline/weights";

/**
 * What a safetensors file says of the mmproj that it was made of, under this key of its metadata: `metadata` of the GGUF with
 * types, and for each tensor in order its name there, its name here, and its type there.
 */
export const keptKey = "sightline.mmproj";

/** The value of `keptKey`, as JSON. */
export interface KeptMmproj {
  readonly metadata: readonly (readonly [key: string, value: GgufValue])[];
  readonly tensors: readonly (readonly [gguf: string, stored: string, dtype: TensorDtype])[];
}

/** 64-bit integers are strings in JSON, since a number would lose digits. */
export function keptText(kept: KeptMmproj): string {
  return JSON.stringify(kept, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
}

/** An mmproj as it is written again. */
export interface WholeMmproj {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly TensorToWrite[];
  /** A tensor's values, by its name in the GGUF. */
  readonly readFloat32: (name: string) => Promise<Float32Array>;
}

/**
 * The mmproj that a safetensors file was made of; `undefined` where it was made of none.
 * @throws WeightsError when what it says of it cannot be true
 */
export function keptMmproj(source: WeightSource): WholeMmproj | undefined {
  const text = source.metadata.get(keptKey);
  if (source.format !== "safetensors" || typeof text !== "string") return undefined;
  const bad = (cause: unknown): WeightsError => new WeightsError(`convert: ${source.path}: its ${keptKey} is damaged; convert the mmproj again`, { cause });
  try {
    const { metadata, tensors } = JSON.parse(text) as KeptMmproj;
    const storedNames = new Map(tensors.map(([name, stored]) => [name, stored]));
    return {
      readFloat32: (name) => source.readFloat32(storedNames.get(name) ?? name),
      metadata: new Map(metadata.map(([key, value]) => [key, withBigInts(value)])),
      tensors: tensors.map(([name, stored, dtype]): TensorToWrite => {
        const info = source.tensors.get(stored);
        if (!info) throw bad(new Error(`no tensor ${stored}`));
        return { name, dtype, shape: info.shape, data: info.dtype === dtype ? () => source.readBytes(stored) : () => source.readFloat32(stored) };
      }),
    };
  } catch (error) {
    throw error instanceof WeightsError ? error : bad(error);
  }
}

/** `keptText`'s strings as 64-bit integers again. */
function withBigInts(stored: GgufValue): GgufValue {
  const isLong = (type: string): boolean => type === "uint64" || type === "int64";
  if (stored.type === "array") return isLong(stored.of) ? { ...stored, value: stored.value.map((value) => BigInt(value)) } : stored;
  return isLong(stored.type) ? ({ ...stored, value: BigInt(stored.value) } as GgufValue) : stored;
}
