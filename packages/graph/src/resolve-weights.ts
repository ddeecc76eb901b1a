import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { GraphError } from "./graph-error.js";
import type { Graph } from "./graph.js";
import type { DeferredBytes, ExternalBytes, MemoryBytes, Tensor, Weight, WeightData } from "./tensor.js";

/** A graph with up to this many bytes of weights is handed over in memory. */
const memoryLimitBytes = 128 * 2 ** 20;
/** Weights of fewer bytes lie in the protobuf itself, whose messages end at 2 GB. */
export const inlineLimitBytes = 1024;
/** Tensors in the temporary file start at multiples of this, so that they can be mapped. */
const pageBytes = 4096;

/** Weights where a session takes them from; see `resolveWeights`. */
export interface ResolvedWeights {
  readonly data: ReadonlyMap<Tensor, MemoryBytes | ExternalBytes>;
  /** Removes the temporary file, where there is one. */
  release(): Promise<void>;
}

/**
 * Turns weights into bytes that a session can take: all in memory for a small graph, all in files for a large one, since
 * ONNX Runtime takes them from one place or the other. A large graph's deferred weights are written to one temporary
 * file that ONNX Runtime maps, because weights handed over in memory would exist twice, here and in the session.
 * @param limitBytes weights of up to so many bytes make a small graph
 */
export async function resolveWeights(graph: Graph, limitBytes: number = memoryLimitBytes): Promise<ResolvedWeights> {
  const total = graph.weights.reduce((sum, { data }) => sum + data.byteLength, 0);
  const resolved = new Map<Tensor, MemoryBytes | ExternalBytes>();
  if (total <= limitBytes) {
    for (const { tensor, data } of graph.weights) resolved.set(tensor, await inMemory(data));
    return { data: resolved, release: async () => {} };
  }
  const needsFile = (data: WeightData): boolean => !isExternal(data) && data.byteLength >= inlineLimitBytes;
  const temporary = graph.weights.some(({ data }) => needsFile(data));
  const spilled: Weight[] = [];
  for (const weight of graph.weights) {
    const { tensor, data } = weight;
    if (needsFile(data) || (temporary && isExternal(data) && onAnotherDrive(data.file))) spilled.push(weight);
    else resolved.set(tensor, await keep(data));
  }
  if (spilled.length === 0) return { data: resolved, release: async () => {} };
  const folder = await mkdtemp(path.join(tmpdir(), "sightline-weights-"));
  const release = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const file = path.join(folder, "weights");
    await using handle = await open(file, "wx", 0o600);
    let byteOffset = 0;
    for (const { tensor, data } of spilled) {
      const values = await inMemory(data);
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      for (let written = 0; written < bytes.length; ) {
        written += (await handle.write(bytes, written, bytes.length - written, byteOffset + written)).bytesWritten;
      }
      resolved.set(tensor, { file, byteOffset, byteLength: bytes.length });
      byteOffset = Math.ceil((byteOffset + bytes.length) / pageBytes) * pageBytes;
    }
    return { data: resolved, release };
  } catch (error) {
    await release();
    throw error;
  }
}

/**
 * A float32 weight's values, wherever they are.
 * @throws GraphError when its file is too short
 */
export async function readFloat32Weight(data: WeightData): Promise<Float32Array> {
  const values = await inMemory(data);
  if (values instanceof Float32Array) return values;
  return new Float32Array(values.buffer, values.byteOffset, values.byteLength / 4);
}

/** One folder must hold all files that a session maps, and Windows' drives have none in common. */
function onAnotherDrive(file: string): boolean {
  return path.parse(path.resolve(file)).root !== path.parse(tmpdir()).root;
}

function isDeferred(data: WeightData): data is DeferredBytes {
  return "read" in data;
}

function isExternal(data: WeightData): data is ExternalBytes {
  return "file" in data;
}

async function keep(data: WeightData): Promise<MemoryBytes | ExternalBytes> {
  return isDeferred(data) ? data.read() : data;
}

/**
 * A weight's bytes, wherever they are, in memory.
 * @throws GraphError when its file is too short
 */
export async function inMemory(data: WeightData): Promise<MemoryBytes> {
  const kept = await keep(data);
  if (!isExternal(kept)) return kept;
  const bytes = new Uint8Array(kept.byteLength);
  await using file = await open(kept.file, "r");
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, kept.byteOffset + done);
    if (bytesRead === 0) throw new GraphError(`resolveWeights: ${kept.file} ends before byte ${kept.byteOffset + kept.byteLength}`);
    done += bytesRead;
  }
  return bytes;
}
