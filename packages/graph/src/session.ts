import { realpath } from "node:fs/promises";
import { availableParallelism } from "node:os";
import path from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { autoDevices, deviceFailure, executionProviders, missingDevice, type Device, type RunDevice } from "./devices.js";
import { GraphError } from "./graph-error.js";
import type { Graph } from "./graph.js";
import { serializeModel } from "./model-proto.js";
import { ProfileFolder, readPlacement, type Placement } from "./placement.js";
import { resolveWeights } from "./resolve-weights.js";
import type { SessionRunner } from "./session-runner.js";
import { formatShape } from "./shape.js";
import type { Signature, ValueType } from "./signature.js";
import { declineTelemetry } from "./telemetry.js";
import type { Dtype } from "./tensor.js";
import { attentionIsRight } from "./webgpu/attention-check.js";
import { webgpuGraph } from "./webgpu/webgpu-graph.js";
import { openThreadedRunner } from "./threaded-runner.js";

/** How `openSession` opens a graph. */
export interface SessionOptions {
  readonly device?: Device;
  /** Threads of one operation; all cores when left out. */
  readonly threads?: number;
  /**
   * Runs in a thread of its own, so that the caller's goes on meanwhile; only for the CPU. Costs a copy of the inputs
   * and, for a graph whose weights are in memory, one of these while it opens.
   */
  readonly ownThread?: boolean;
  /** With `ownThread`: takes second place beside other threads that want the same core, on Linux; see `giveWay`. */
  readonly givesWay?: boolean;
  /** Passed to ONNX Runtime as they are (its "session config" keys). */
  readonly config?: Readonly<Record<string, string>>;
  /** Write ONNX Runtime's profile of every node to a file that starts with this path. */
  readonly profilePrefix?: string;
  /** Watch where nodes run, for `Session.placement`; runs are slower for it. */
  readonly placement?: boolean;
  /** Keep ONNX Runtime's own error lines off stderr; the errors are thrown all the same. */
  readonly quiet?: boolean;
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
  readonly device: RunDevice;
  readonly #session: SessionRunner;
  readonly #inputs: ReadonlyMap<string, ValueType>;
  readonly #outputs: ReadonlyMap<string, ValueType>;
  readonly #running = new Set<Promise<unknown>>();
  readonly #release: () => Promise<void>;
  readonly #profile: ProfileFolder | undefined;
  #placement: Promise<Placement> | undefined;
  #disposed: Promise<void> | undefined;

  /** @internal Use `openSession`. */
  constructor(session: SessionRunner, graph: Signature, device: RunDevice, release: () => Promise<void>, profile?: ProfileFolder) {
    this.#session = session;
    this.#release = release;
    this.#profile = profile;
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

  /**
   * Where the nodes ran, over the runs before the first call, which ends the watch.
   * @throws GraphError when the session was not opened with `placement`, is disposed, or has not run
   */
  async placement(): Promise<Placement> {
    if (this.#disposed) throw new GraphError("Session.placement: the session is disposed");
    const profile = this.#profile;
    if (!profile) throw new GraphError("Session.placement: expected a session that watches where nodes run; open it with { placement: true }");
    this.#placement ??= Promise.allSettled(this.#running).then(async () => {
      this.#session.endProfiling();
      return readPlacement(await profile.read(), this.device);
    });
    return this.#placement;
  }

  /** Ends profiling, where it was asked for, and writes the profile. */
  endProfiling(): void {
    this.#session.endProfiling();
  }

  /** Waits for runs under way and frees the session. A second call does nothing more. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= Promise.allSettled([...this.#running, this.#placement]).then(async () => {
      await this.#session.release();
      await this.#profile?.remove();
      await this.#release();
    });
    return this.#disposed;
  }
}

/**
 * Opens a graph on a device. With `auto`, a device that fails to open is passed over in favour of the next.
 * @throws DeviceError when this machine cannot use the device, with the reason and the command that would change that;
 * GraphError naming the device and ONNX Runtime's reason otherwise
 */
export async function openSession(graph: Graph, options: SessionOptions = {}): Promise<Session> {
  return openOnDevice(options, async (device) => {
    if (device !== "webgpu") return open(graph, device, options);
    return open(await webgpuGraph(graph, (node) => attentionIsRight(node, (trial) => open(trial, device, { quiet: true }))), device, options);
  });
}

/** Opens on the device of the options; with `auto`, on the first that opens. */
export async function openOnDevice(options: SessionOptions, openOn: (device: RunDevice) => Promise<Session>): Promise<Session> {
  const { device = "auto" } = options;
  if (options.placement && options.profilePrefix !== undefined) {
    throw new GraphError("openSession: expected placement or profilePrefix, got both; each ends the other's profile");
  }
  declineTelemetry();
  if (device !== "auto") {
    const missing = missingDevice(device);
    if (missing) throw missing;
    return openOn(device);
  }
  const failures: string[] = [];
  for (const candidate of autoDevices()) {
    try {
      return await openOn(candidate);
    } catch (error) {
      failures.push((error as Error).message);
    }
  }
  throw new GraphError(`openSession: no device opened the graph: ${failures.join("; ")}`);
}

async function open(graph: Graph, device: RunDevice, options: SessionOptions): Promise<Session> {
  const weights = await resolveWeights(graph);
  const profile = options.placement ? await ProfileFolder.create() : undefined;
  try {
    const files = await realPaths([...weights.data.values()].flatMap((data) => (ArrayBuffer.isView(data) ? [] : [data.file])));
    const folder = commonFolder([...files.values()]);
    const { model, memory } = serializeModel(graph, weights.data, (file) => path.relative(folder, files.get(file) as string));
    const native = nativeOptions(device, { ...options, config: { model_external_initializers_file_folder_path: folder, ...options.config } }, profile);
    native.externalData = memory.map(({ location, data }) => ({ path: location, data }));
    const session = new Session(await openRunner(model, native, device, options), graph, device, weights.release, profile);
    // A mapped file may lose its name at once, except where the system holds on to it until the map ends.
    if (process.platform !== "win32") await weights.release();
    return session;
  } catch (cause) {
    await profile?.remove();
    await weights.release();
    if (cause instanceof GraphError) throw cause;
    throw deviceFailure(device, cause) ?? new GraphError(`openSession: ${device} could not open the graph: ${firstLine(cause)}`, { cause });
  }
}

/** A model in the thread that was asked for. A session that is profiled stays in the caller's, where its record is read. */
export function openRunner(model: Uint8Array | string, native: InferenceSession.SessionOptions, device: RunDevice, options: SessionOptions): Promise<SessionRunner> {
  const profiled = options.placement === true || options.profilePrefix !== undefined;
  if (options.ownThread && device === "cpu" && !profiled) return openThreadedRunner(model, native, options.givesWay === true);
  return typeof model === "string" ? InferenceSession.create(model, native) : InferenceSession.create(model, native);
}

/** The options of a session as ONNX Runtime takes them. */
export function nativeOptions(device: RunDevice, options: SessionOptions, profile?: ProfileFolder): InferenceSession.SessionOptions {
  const native: InferenceSession.SessionOptions = {
    executionProviders: executionProviders(device),
    intraOpNumThreads: options.threads ?? availableParallelism(),
    interOpNumThreads: 1,
    graphOptimizationLevel: "all",
    logSeverityLevel: options.quiet ? 4 : 3,
    extra: { session: { ...options.config } },
  };
  const profilePrefix = profile?.prefix ?? options.profilePrefix;
  if (profilePrefix !== undefined) Object.assign(native, { enableProfiling: true, profileFilePrefix: profilePrefix });
  return native;
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

function expectFits(name: string, tensor: ValueType, value: TensorValue, symbols: Map<string, number>): void {
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

export function firstLine(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).split("\n", 1)[0] as string;
}
