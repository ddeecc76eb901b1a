import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Graph } from "./graph.js";
import type { DeferredBytes, ExternalBytes, MemoryBytes, Tensor, WeightData } from "./tensor.js";

/** Up to this many deferred bytes are held in memory while a session opens; more go through a temporary file. */
const memoryLimitBytes = 128 * 2 ** 20;
/** Tensors in the temporary file start at multiples of this, so that they can be mapped. */
const pageBytes = 4096;

export interface ResolvedWeights {
  readonly data: ReadonlyMap<Tensor, MemoryBytes | ExternalBytes>;
  /** Removes the temporary file, where there is one. */
  release(): Promise<void>;
}

/**
 * Turns deferred weights into bytes. A large model's are written to one temporary file that ONNX Runtime maps, because
 * weights handed over in memory would exist twice, here and in the session.
 */
export async function resolveWeights(graph: Graph): Promise<ResolvedWeights> {
  const deferred = graph.weights.flatMap(({ tensor, data }) => (isDeferred(data) ? [{ tensor, data }] : []));
  const total = deferred.reduce((sum, { data }) => sum + data.byteLength, 0);
  const resolved = new Map<Tensor, MemoryBytes | ExternalBytes>();
  for (const { tensor, data } of graph.weights) if (!isDeferred(data)) resolved.set(tensor, data);
  if (total <= memoryLimitBytes) {
    for (const { tensor, data } of deferred) resolved.set(tensor, await data.read());
    return { data: resolved, release: async () => {} };
  }
  const folder = await mkdtemp(path.join(tmpdir(), "sightline-weights-"));
  const release = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const file = path.join(folder, "weights");
    await using handle = await open(file, "wx", 0o600);
    let byteOffset = 0;
    for (const { tensor, data } of deferred) {
      const values = await data.read();
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

function isDeferred(data: WeightData): data is DeferredBytes {
  return "read" in data;
}
