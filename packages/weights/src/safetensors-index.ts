import { openFile, readAt } from "./file-bytes.js";
import { JsonReader } from "./json-reader.js";
import { quoted } from "./quoted.js";
import { WeightsError } from "./weights-error.js";

/** An index names every tensor once; a thousand bytes for each of 100,000 tensors would fit. */
const maxIndexBytes = 100_000_000;
const maxTensors = 2 ** 20;

/**
 * Reads the `weight_map` of a `*.safetensors.index.json`: tensor names to file names beside the index.
 * @throws WeightsError when the file is no such index, or names a file outside its folder
 */
export async function readSafetensorsIndex(indexFile: string): Promise<ReadonlyMap<string, string>> {
  const reader = new JsonReader(await readIndexFile(indexFile), indexFile);
  const weightMap = new Map<string, string>();
  reader.members("the index", 1024, (key) => {
    if (key !== "weight_map") return reader.skip(quoted(key));
    reader.members("weight_map", maxTensors, (name) => {
      weightMap.set(name, shardName(indexFile, name, reader.string(`the shard of ${quoted(name)}`)));
    });
  });
  reader.end("the index");
  if (weightMap.size === 0) throw new WeightsError(`${indexFile}: has no weight_map, which names the shard of each tensor`);
  return weightMap;
}

async function readIndexFile(indexFile: string): Promise<Uint8Array> {
  const { file, size } = await openFile(indexFile);
  try {
    if (size > maxIndexBytes) throw new WeightsError(`${indexFile}: an index of ${size} bytes, expected at most ${maxIndexBytes}`);
    const bytes = new Uint8Array(size);
    await readAt(file, indexFile, bytes, 0);
    return bytes;
  } finally {
    await file.close();
  }
}

/** Both systems' separators are refused on both, so that a model that opens on one opens on the other. */
function shardName(indexFile: string, tensor: string, shard: string): string {
  if (shard === "" || shard === "." || shard === ".." || /[/\\]/.test(shard) || /^[A-Za-z]:/.test(shard)) {
    throw new WeightsError(`${indexFile}: ${quoted(tensor)} is mapped to ${quoted(shard)}, expected a file name in the same folder`);
  }
  return shard;
}
