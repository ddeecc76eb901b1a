import { realpath } from "node:fs/promises";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import path from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { GraphError } from "./graph-error.js";
import type { Graph } from "./graph.js";
import { serializeModel } from "./model-proto.js";
import { resolveWeights } from "./resolve-weights.js";
import type { SessionRunner } from "./session-runner.js";
import { formatShape } from "./shape.js";
import type { Dtype, Tensor } from "./tensor.js";
import { openThreadedRunner } from "./threaded-runner.js";

/**
 * Where a graph runs. `auto` takes cuda where its libraries are installed and the graph opens there, else the CPU; webgpu
 * is taken only when it is named.
 */
export type Device = "cpu" | "webgpu" | "cuda" | "auto";

export interface SessionOptions {
  readonly device?: Device;
  /** Threads of one operation; all cores when left out. */
  readonly threads?: number;
  /**
   * Runs in a thread of its own, so that the caller's goes on meanwhile; only for the CPU. Costs a copy of the inputs
   * and, for a graph whose weights are in memory, one of these while it opens.
   */
  readonly ownThread?: boolean;
  /** Passed to ONNX Runtime as they are (its "session config" keys). */
  readonly config?: Readonly<Record<string, string>>;
  /** Write ONNX Runtime's profile of every node to a file that starts with this path. */
  readonly profilePrefix?: string;
}

/** Values fed to and returned from a session. */
export interface TensorValue {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: Float32Array | Uint16Array | BigInt64Array | Int32Array | Int8Array | Uint8Array;
}

/**
 * A graph opened on a device. Runs may overlap; `dispose` waits for those under way.
 */
export class Session implements AsyncDisposable {
  /** The provider that runs the graph. */
  readonly device: Exclude<Device, "auto">;
  readonly #session: SessionRunner;
  readonly #inputs: ReadonlyMap<string, Tensor>;
  readonly #outputs: ReadonlyMap<string, Tensor>;
  readonly #running = new Set<Promise<unknown>>();
  readonly #release: () => Promise<void>;
  #disposed: Promise<void> | undefined;

  /** @internal Use `openSession`. */
  constructor(session: SessionRunner, graph: Graph, device: Exclude<Device, "auto">, release: () => Promise<void>) {
    this.#session = session;
    this.#release = release;
    this.device = device;
    this.#inputs = new Map(graph.inputs.map((tensor) => [tensor.name, tensor]));
    this.#outputs = new Map(graph.outputs.map(({ name, tensor }) => [name, tensor]));
  }

  /**
   * Runs the graph once. Inputs are checked against the graph before native code sees them.
   * @param into buffers that outputs of these names are written to, instead of new ones
   * @throws GraphError when an input is missing, unknown, or of another shape or type, or when the session is disposed
   */
  async run(inputs: Readonly<Record<string, TensorValue>>, into: Readonly<Record<string, TensorValue>> = {}): Promise<Record<string, TensorValue>> {
    if (this.#disposed) throw new GraphError("Session.run: the session is disposed");
    for (const name of Object.keys(inputs)) {
      if (!this.#inputs.has(name)) throw new GraphError(`Session.run: there is no input "${name}"; expected ${[...this.#inputs.keys()].join(", ")}`);
    }
    const symbols = new Map<string, number>();
    const feeds: Record<string, OrtTensor> = {};
    for (const [name, tensor] of this.#inputs) {
      const value = inputs[name];
      if (!value) throw new GraphError(`Session.run: input "${name}" is missing`);
      expectFits(name, tensor, value, symbols);
      feeds[name] = toOrt(value);
    }
    const fetches: Record<string, OrtTensor | null> = {};
    for (const name of this.#outputs.keys()) {
      const value = into[name];
      fetches[name] = value ? toOrt(value) : null;
    }
    const run = this.#session.run(feeds, fetches);
    this.#running.add(run);
    try {
      const results = await run;
      const values: Record<string, TensorValue> = {};
      for (const [name, tensor] of this.#outputs) {
        const result = results[name] as OrtTensor;
        values[name] = { dtype: tensor.dtype, shape: result.dims, data: result.data as TensorValue["data"] };
      }
      return values;
    } catch (cause) {
      throw new GraphError(`Session.run: ONNX Runtime failed on ${this.device}: ${firstLine(cause)}`, { cause });
    } finally {
      this.#running.delete(run);
    }
  }

  /** Ends profiling, where it was asked for, and writes the profile. */
  endProfiling(): void {
    this.#session.endProfiling();
  }

  /** Waits for runs under way and frees the session. A second call does nothing more. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= Promise.allSettled(this.#running).then(async () => {
      await this.#session.release();
      await this.#release();
    });
    return this.#disposed;
  }
}

/**
 * Opens a graph on a device. With `auto`, a device that fails to open is passed over in favour of the next.
 * @throws GraphError naming the device and ONNX Runtime's reason
 */
export async function openSession(graph: Graph, options: SessionOptions = {}): Promise<Session> {
  const { device = "auto" } = options;
  if (device !== "auto") return open(graph, device, options);
  const failures: string[] = [];
  // Trying cuda without its libraries would print ONNX Runtime's complaint about them.
  for (const candidate of cudaIsInstalled() ? (["cuda", "cpu"] as const) : (["cpu"] as const)) {
    try {
      return await open(graph, candidate, options);
    } catch (error) {
      failures.push((error as Error).message);
    }
  }
  throw new GraphError(`openSession: no device opened the graph: ${failures.join("; ")}`);
}

/** Whether onnxruntime-node's folder holds the CUDA provider, which its install script fetches. */
function cudaIsInstalled(): boolean {
  const folder = path.join(path.dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json")), "bin", "napi-v6", process.platform, process.arch);
  return ["libonnxruntime_providers_cuda.so", "onnxruntime_providers_cuda.dll"].some((file) => existsSync(path.join(folder, file)));
}

async function open(graph: Graph, device: Exclude<Device, "auto">, options: SessionOptions): Promise<Session> {
  const weights = await resolveWeights(graph);
  try {
    const files = await realPaths([...weights.data.values()].flatMap((data) => (ArrayBuffer.isView(data) ? [] : [data.file])));
    const folder = commonFolder([...files.values()]);
    const { model, memory } = serializeModel(graph, weights.data, (file) => path.relative(folder, files.get(file) as string));
    const native: InferenceSession.SessionOptions = {
      executionProviders: [device],
      intraOpNumThreads: options.threads ?? availableParallelism(),
      interOpNumThreads: 1,
      graphOptimizationLevel: "all",
      logSeverityLevel: 3,
      externalData: memory.map(({ location, data }) => ({ path: location, data })),
      extra: { session: { model_external_initializers_file_folder_path: folder, ...options.config } },
    };
    if (options.profilePrefix !== undefined) Object.assign(native, { enableProfiling: true, profileFilePrefix: options.profilePrefix });
    const inOwnThread = options.ownThread === true && device === "cpu";
    const session = new Session(await (inOwnThread ? openThreadedRunner(model, native) : InferenceSession.create(model, native)), graph, device, weights.release);
    // A mapped file may lose its name at once, except where the system holds on to it until the map ends.
    if (process.platform !== "win32") await weights.release();
    return session;
  } catch (cause) {
    await weights.release();
    if (cause instanceof GraphError) throw cause;
    throw new GraphError(`openSession: ${device} could not open the graph: ${firstLine(cause)}`, { cause });
  }
}

/** Files by their real paths: ONNX Runtime follows links before it checks that a file lies in the folder of the weights. */
async function realPaths(files: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const unique = [...new Set(files)];
  return new Map(await Promise.all(unique.map(async (file) => [file, await realpath(file)] as const)));
}

/** The deepest folder that holds every external file: ONNX Runtime refuses locations that leave it. */
function commonFolder(files: readonly string[]): string {
  const unique = [...new Set(files.map((file) => path.dirname(file)))];
  let common = unique[0] ?? process.cwd();
  for (const folder of unique) {
    while (!`${folder}${path.sep}`.startsWith(common.endsWith(path.sep) ? common : `${common}${path.sep}`)) common = path.dirname(common);
  }
  return common;
}

function expectFits(name: string, tensor: Tensor, value: TensorValue, symbols: Map<string, number>): void {
  const fits =
    value.dtype === tensor.dtype &&
    value.shape.length === tensor.shape.length &&
    tensor.shape.every((dim, i) => {
      const got = value.shape[i] as number;
      if (typeof dim === "number") return dim === got;
      const known = symbols.get(dim);
      if (known === undefined) symbols.set(dim, got);
      return known === undefined || known === got;
    });
  const count = value.shape.reduce((a, b) => a * b, 1);
  if (!fits || count !== value.data.length) {
    throw new GraphError(
      `Session.run: input "${name}" expected ${tensor.dtype}${formatShape(tensor.shape)}, got ${value.dtype}${formatShape(value.shape)} with ${value.data.length} elements`,
    );
  }
}

function toOrt({ dtype, shape, data }: TensorValue): OrtTensor {
  return new OrtTensor(dtype, data as never, shape);
}

function firstLine(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).split("\n", 1)[0] as string;
}
