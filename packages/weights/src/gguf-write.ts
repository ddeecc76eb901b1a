import { writeAtomically } from "./atomic-file.js";
import { isGgufAlignment, maxDimensions } from "./gguf-header.js";
import { GgufHeaderBytes } from "./gguf-header-bytes.js";
import type { GgufValue } from "./gguf-value.js";
import { quoted } from "./quoted.js";
import { dtypeLayouts } from "./tensor-dtype.js";
import { encodedTensor, isWellFormed, plannedBytes, type TensorToWrite } from "./tensor-to-write.js";
import { WeightsError } from "./weights-error.js";

/** What `writeGguf` writes. */
export interface GgufFile {
  readonly metadata: Iterable<readonly [key: string, value: GgufValue]>;
  readonly tensors: readonly TensorToWrite[];
  /** Bytes, a power of two from 8 on; left out, `general.alignment` of the metadata counts, or 32. */
  readonly alignment?: number;
}

/**
 * Writes a GGUF file (version 3), atomically and one tensor at a time.
 * @throws WeightsError when data does not agree with dtype and shape, a value does not fit its type, a key or name comes
 *   twice, a dtype has no GGUF type, or the system refuses
 */
export async function writeGguf(file: string, { metadata, tensors, alignment: asked }: GgufFile): Promise<void> {
  const bad = (problem: string): WeightsError => new WeightsError(`writeGguf: ${file}: ${problem}`);
  const values = metadataOf(metadata, bad);
  const alignment = alignmentOf(values, asked, bad);
  const padded = (length: number): number => Math.ceil(length / alignment) * alignment;
  const header = new GgufHeaderBytes();
  header.bytes(new TextEncoder().encode("GGUF"));
  header.uint32(3);
  header.uint64(tensors.length);
  header.uint64(values.size);
  for (const [key, value] of values) {
    header.string(key);
    header.typed(value, key);
  }
  const names = new Set<string>();
  let offset = 0;
  for (const tensor of tensors) {
    const { name, dtype, shape } = tensor;
    const { ggmlType } = dtypeLayouts[dtype];
    if (ggmlType === undefined) throw bad(`${quoted(name)}: GGUF has no ${dtype}`);
    if (shape.length > maxDimensions) throw bad(`${quoted(name)} has ${shape.length} dimensions, GGUF has at most ${maxDimensions}`);
    if (names.has(name)) throw bad(`${quoted(name)} comes twice`);
    names.add(name);
    const length = plannedBytes(tensor);
    header.string(name);
    header.uint32(shape.length);
    for (const dim of [...shape].reverse()) header.uint64(dim);
    header.uint32(ggmlType);
    header.uint64(offset);
    offset += padded(length);
  }
  await writeAtomically(file, async (append) => {
    const start = header.done();
    await append(start);
    await append(new Uint8Array(padded(start.length) - start.length));
    for (const tensor of tensors) {
      for await (const bytes of encodedTensor(tensor)) await append(bytes);
      const length = plannedBytes(tensor);
      await append(new Uint8Array(padded(length) - length));
    }
  });
}

function metadataOf(metadata: GgufFile["metadata"], bad: (problem: string) => WeightsError): Map<string, GgufValue> {
  const values = new Map<string, GgufValue>();
  for (const [key, value] of metadata) {
    if (values.has(key)) throw bad(`the metadata key ${quoted(key)} comes twice`);
    if (!isWellFormed(key)) throw bad(`the metadata key ${quoted(key)} is no Unicode text`);
    values.set(key, value);
  }
  return values;
}

/** The alignment to write with; `general.alignment` is added to the values when it is needed. */
function alignmentOf(values: Map<string, GgufValue>, asked: number | undefined, bad: (problem: string) => WeightsError): number {
  const stated = values.get("general.alignment")?.value;
  if (stated !== undefined && asked !== undefined && Number(stated) !== asked) throw bad(`general.alignment is ${String(stated)}, but alignment ${asked} was asked for`);
  const alignment = asked ?? (stated === undefined ? 32 : Number(stated));
  // The format allows every multiple of 8, but ggml opens powers of two only.
  if (!isGgufAlignment(alignment) || (alignment & (alignment - 1)) !== 0) throw bad(`the alignment is ${alignment}, expected a power of two from 8 to 65536`);
  if (stated !== undefined || alignment !== 32) values.set("general.alignment", { type: "uint32", value: alignment });
  return alignment;
}
