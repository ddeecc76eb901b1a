import { ggufTypes, type GgufHeader } from "../gguf-metadata.js";

/** A decoder's metadata, the architecture's name left out of keys. */
export interface HeaderValues {
  readonly architecture: string;
  /** A text; undefined where none stands there. */
  readonly text: (key: string) => string | undefined;
  /** A number; undefined where none stands there. Not a number of another type either: llama.cpp refuses those by itself. */
  readonly number: (key: string) => number | undefined;
  /** A number for each block, be it one for all of them. Undefined where neither stands there. */
  readonly perBlock: (key: string, blocks: number) => readonly number[] | undefined;
  /** The numbers of an array; undefined where none stands there. */
  readonly list: (key: string, most: number) => readonly number[] | undefined;
  /** The keys of the architecture that end so. */
  readonly ending: (end: string) => readonly string[];
}

export function headerValues({ values, arrays }: GgufHeader): HeaderValues {
  const stated = values.get("general.architecture");
  const architecture = stated?.type === ggufTypes.string ? String(stated.value) : "";
  const at = (key: string): number | bigint | boolean | string | undefined => values.get(`${architecture}.${key}`)?.value;
  const number = (key: string): number | undefined => {
    const value = at(key);
    return typeof value === "number" || typeof value === "bigint" ? Number(value) : undefined;
  };
  const list = (key: string, most: number): readonly number[] | undefined => arrays.get(`${architecture}.${key}`)?.numbers(most);
  return {
    architecture,
    text(key) {
      const value = at(key);
      return typeof value === "string" ? value : undefined;
    },
    number,
    list,
    perBlock(key, blocks) {
      const all = number(key);
      return all === undefined ? list(key, blocks) : new Array<number>(blocks).fill(all);
    },
    ending: (end) => [...values.keys()].filter((key) => key.startsWith(`${architecture}.`) && key.endsWith(end)).map((key) => key.slice(architecture.length + 1)),
  };
}
