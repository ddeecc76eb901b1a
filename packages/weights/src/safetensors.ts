import { readFile, stat, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { writeAtomically } from "./atomic-file.js";
import { FileSource, openFile, readStart } from "./file-source.js";
import { headerLength, maxHeaderBytes, parseSafetensorsHeader, type SafetensorsHeader } from "./safetensors-header.js";
import { encodeTensor, plannedBytes, type TensorToWrite } from "./tensor-to-write.js";
import type { TensorInfo, WeightSource } from "./weight-source.js";
import { WeightsError } from "./weights-error.js";

/**
 * Opens one .safetensors file, or the shards that a `*.safetensors.index.json` lists. Only headers are read.
 * @throws WeightsError naming the file, the tensor and the numbers that do not agree
 */
export async function openSafetensors(file: string): Promise<WeightSource> {
  const absolute = path.resolve(file);
  return absolute.endsWith(".json") ? openShards(absolute) : openShardFiles(absolute, [absolute]);
}

async function openShards(indexFile: string): Promise<WeightSource> {
  const { size } = await stat(indexFile).catch((cause: unknown) => {
    throw new WeightsError(`${indexFile}: no such file`, { cause });
  });
  if (size > maxHeaderBytes) throw new WeightsError(`${indexFile}: an index of ${size} bytes is larger than the ${maxHeaderBytes} expected at most`);
  let weightMap: unknown;
  try {
    weightMap = (JSON.parse(await readFile(indexFile, "utf8")) as { weight_map?: unknown }).weight_map;
  } catch (cause) {
    throw new WeightsError(`${indexFile}: is not JSON`, { cause });
  }
  const entries = typeof weightMap === "object" && weightMap !== null ? Object.entries(weightMap) : [];
  if (entries.length === 0) throw new WeightsError(`${indexFile}: has no weight_map`);
  for (const [name, shard] of entries) {
    if (typeof shard !== "string" || shard !== path.basename(shard) || shard === "..") {
      throw new WeightsError(`${indexFile}: "${name}" is mapped to ${JSON.stringify(shard)}, expected a file name in the same folder`);
    }
  }
  const folder = path.dirname(indexFile);
  const source = await openShardFiles(indexFile, [...new Set(entries.map(([, shard]) => path.join(folder, shard as string)))]);
  for (const [name, shard] of entries) {
    const found = source.tensors.get(name);
    if (found?.file !== path.join(folder, shard as string)) {
      await source.close();
      throw new WeightsError(`${indexFile}: "${name}" is mapped to ${shard as string}, which does not hold it`);
    }
  }
  return source;
}

async function openShardFiles(named: string, files: readonly string[]): Promise<WeightSource> {
  const handles = new Map<string, FileHandle>();
  const metadata = new Map<string, string>();
  const tensors = new Map<string, TensorInfo>();
  try {
    for (const name of files) {
      const { file, size } = await openFile(name);
      handles.set(name, file);
      const header = await readHeader(file, name, size);
      for (const [key, value] of header.metadata) metadata.set(key, value);
      for (const [tensor, info] of header.tensors) {
        if (tensors.has(tensor)) throw new WeightsError(`${name}: "${tensor}" also lies in ${tensors.get(tensor)?.file}`);
        tensors.set(tensor, info);
      }
    }
  } catch (error) {
    await Promise.all([...handles.values()].map((file) => file.close()));
    throw error;
  }
  return new FileSource(named, "safetensors", metadata, tensors, handles);
}

async function readHeader(file: FileHandle, name: string, size: number): Promise<SafetensorsHeader> {
  const length = headerLength(await readStart(file, 8), name, size);
  const start = await readStart(file, 8 + length);
  return parseSafetensorsHeader(start.subarray(8), name, size);
}

/**
 * Writes a .safetensors file, atomically and one tensor at a time. Tensors start at multiples of 8 bytes, so that they
 * can be mapped.
 * @throws WeightsError when data does not agree with dtype and shape, or a name comes twice
 */
export async function writeSafetensors(file: string, tensors: readonly TensorToWrite[], metadata: Readonly<Record<string, string>> = {}): Promise<void> {
  const header: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) header["__metadata__"] = metadata;
  let offset = 0;
  // Larger elements first keeps every tensor aligned to its element without padding, which the format does not know.
  const ordered = [...tensors].sort((a, b) => elementBytes(b) - elementBytes(a));
  for (const tensor of ordered) {
    if (Object.hasOwn(header, tensor.name)) throw new WeightsError(`writeSafetensors: ${file}: "${tensor.name}" comes twice`);
    if (tensor.dtype.startsWith("Q")) throw new WeightsError(`writeSafetensors: ${file}: "${tensor.name}": safetensors has no ${tensor.dtype}`);
    const length = plannedBytes(tensor);
    header[tensor.name] = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [offset, offset + length] };
    offset += length;
  }
  const json = JSON.stringify(header);
  const bytes = new TextEncoder().encode(json);
  const padded = new Uint8Array(Math.ceil(bytes.length / 8) * 8).fill(0x20);
  padded.set(bytes);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(padded.length), true);
  await writeAtomically(file, async (append) => {
    await append(length);
    await append(padded);
    for (const tensor of ordered) await append(await encodeTensor(tensor));
  });
}

function elementBytes({ dtype }: TensorToWrite): number {
  return { F64: 8, I64: 8, F32: 4, I32: 4, F16: 2, BF16: 2, I16: 2 }[dtype as string] ?? 1;
}
