import { WeightsError, type MetadataValue, type WeightSource } from "@sightline/weights";

/** Reads an mmproj GGUF's metadata, throwing WeightsError with the key and what stood there. */
export interface MmprojKeys {
  readonly bad: (problem: string) => WeightsError;
  /** A number above 0. */
  readonly positive: (key: string) => number;
  /** A whole number above 0. */
  readonly count: (key: string) => number;
  /** Three numbers, above 0 where that is asked for. */
  readonly triple: (key: string, aboveZero?: boolean) => readonly [number, number, number];
}

export function mmprojKeys(source: WeightSource): MmprojKeys {
  const bad = (problem: string): WeightsError => new WeightsError(`${source.path}: ${problem}`);
  const positive = (key: string): number => {
    const value = source.metadata.get(key);
    if (typeof value !== "number" || !(value > 0)) throw bad(`expected ${key} to be a positive number, got ${shown(value)}`);
    return value;
  };
  const count = (key: string): number => {
    const value = positive(key);
    if (!Number.isInteger(value)) throw bad(`expected ${key} to be a whole number, got ${value}`);
    return value;
  };
  const triple = (key: string, aboveZero = false): readonly [number, number, number] => {
    const value = source.metadata.get(key);
    if (!Array.isArray(value) || value.length !== 3 || !value.every((entry) => typeof entry === "number")) throw bad(`expected ${key} to be three numbers, got ${shown(value)}`);
    if (aboveZero && !value.every((entry) => (entry as number) > 0)) throw bad(`expected ${key} to be above 0, got ${shown(value)}`);
    return value as unknown as readonly [number, number, number];
  };
  return { bad, positive, count, triple };
}

/** Throws WeightsError unless the file is an mmproj GGUF with a vision encoder. */
export function checkVisionMmproj(source: WeightSource): void {
  const { bad } = mmprojKeys(source);
  const architecture = source.metadata.get("general.architecture");
  if (source.format !== "gguf" || architecture !== "clip") throw bad(`expected an mmproj GGUF (general.architecture "clip"), got ${shown(architecture)}`);
  if (source.metadata.get("clip.has_vision_encoder") !== true) throw bad("has no vision encoder (clip.has_vision_encoder)");
}

/** The name of the file's projector; empty where it has none. */
export function projectorType(source: WeightSource): string {
  const type = source.metadata.get("clip.projector_type") ?? source.metadata.get("clip.vision.projector_type");
  return typeof type === "string" ? type : "";
}

/** A metadata value as an error shows it. */
export function shown(value: MetadataValue | undefined): string {
  return value === undefined ? "nothing" : JSON.stringify(value, (_, entry: unknown) => (typeof entry === "bigint" ? String(entry) : entry)).slice(0, 80);
}
