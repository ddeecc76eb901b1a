import type { FileHandle } from "node:fs/promises";
import path from "node:path";
import { openFile, readAt } from "./file-bytes.js";
import { FileSource } from "./file-source.js";
import { quoted } from "./quoted.js";
import { headerLength, parseSafetensorsHeader, type SafetensorsHeader } from "./safetensors-header.js";
import { readSafetensorsIndex } from "./safetensors-index.js";
import type { TensorInfo, WeightSource } from "./weight-source.js";
import { WeightsError } from "./weights-error.js";

/**
 * Opens one .safetensors file, or the shards that a `*.safetensors.index.json` lists. Only headers are read.
 * @throws WeightsError naming the file, the tensor and the numbers that do not agree
 */
export async function openSafetensors(file: string): Promise<WeightSource> {
  const absolute = path.resolve(file);
  return absolute.endsWith(".json") ? openShards(absolute) : openFiles(absolute, [absolute]);
}

async function openShards(indexFile: string): Promise<WeightSource> {
  const weightMap = await readSafetensorsIndex(indexFile);
  const folder = path.dirname(indexFile);
  const source = await openFiles(indexFile, [...new Set(weightMap.values())].map((shard) => path.join(folder, shard)));
  for (const [name, shard] of weightMap) {
    if (source.tensors.get(name)?.file !== path.join(folder, shard)) {
      await source.close();
      throw new WeightsError(`${indexFile}: ${quoted(name)} is mapped to ${quoted(shard)}, which does not hold it`);
    }
  }
  return source;
}

async function openFiles(named: string, files: readonly string[]): Promise<WeightSource> {
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
        if (tensors.has(tensor)) throw new WeightsError(`${name}: ${quoted(tensor)} also lies in ${tensors.get(tensor)?.file}`);
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
  const start = new Uint8Array(Math.min(8, size));
  await readAt(file, name, start, 0);
  const json = new Uint8Array(headerLength(start, name, size));
  await readAt(file, name, json, start.length);
  return parseSafetensorsHeader(json, name, size);
}
