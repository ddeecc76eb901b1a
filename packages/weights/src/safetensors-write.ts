import { writeAtomically } from "./atomic-file.js";
import { quoted } from "./quoted.js";
import { isSafetensorsDtype, maxHeaderBytes } from "./safetensors-header.js";
import { dtypeLayouts } from "./tensor-dtype.js";
import { encodedTensor, isWellFormed, plannedBytes, type TensorToWrite } from "./tensor-to-write.js";
import { WeightsError } from "./weights-error.js";

/**
 * Writes a .safetensors file, atomically and one tensor at a time. The data starts at a multiple of 8 bytes and every
 * tensor at a multiple of its element, so that they can be mapped.
 * @throws WeightsError when data does not agree with dtype and shape, a name comes twice, or the system refuses
 */
export async function writeSafetensors(file: string, tensors: readonly TensorToWrite[], metadata: Readonly<Record<string, string>> = {}): Promise<void> {
  // Larger elements first keeps every tensor aligned to its element without padding, which the format does not know.
  const ordered = [...tensors].sort((a, b) => dtypeLayouts[b.dtype].blockBytes - dtypeLayouts[a.dtype].blockBytes);
  const header = headerOf(ordered, metadata, (problem) => new WeightsError(`writeSafetensors: ${file}: ${problem}`));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(header.length), true);
  await writeAtomically(file, async (append) => {
    await append(length);
    await append(header);
    for (const tensor of ordered) for await (const bytes of encodedTensor(tensor)) await append(bytes);
  });
}

function headerOf(tensors: readonly TensorToWrite[], metadata: Readonly<Record<string, string>>, bad: (problem: string) => WeightsError): Uint8Array {
  // Without a prototype, `__proto__` is a name like any other.
  const header = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of Object.entries(metadata)) {
    if (!isWellFormed(key) || !isWellFormed(value)) throw bad(`the metadata ${quoted(key)} is no Unicode text`);
  }
  header["__metadata__"] = Object.keys(metadata).length > 0 ? metadata : undefined;
  let offset = 0;
  for (const tensor of tensors) {
    const { name, dtype, shape } = tensor;
    if (name === "__metadata__") throw bad(`a tensor cannot be called "__metadata__"`);
    if (Object.hasOwn(header, name)) throw bad(`${quoted(name)} comes twice`);
    if (!isSafetensorsDtype(dtype)) throw bad(`${quoted(name)}: safetensors has no ${dtype}`);
    const length = plannedBytes(tensor);
    header[name] = { dtype, shape, data_offsets: [offset, offset + length] };
    offset += length;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  if (json.length > maxHeaderBytes) throw bad(`a header of ${json.length} bytes is more than the ${maxHeaderBytes} that readers take`);
  const padded = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20);
  padded.set(json);
  return padded;
}
