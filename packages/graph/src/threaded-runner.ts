import { Worker } from "node:worker_threads";
import { Tensor, type InferenceSession } from "onnxruntime-node";
import { closeOnExit, ExitGate, forgetGate } from "./exit-gate.js";
import type { RunnerOpened, RunnerReply, RunnerRequest, RunnerResults, SessionRunner, TensorMessage } from "./session-runner.js";

interface Waiting {
  resolve(reply: RunnerOpened | RunnerResults): void;
  reject(error: Error): void;
}

/**
 * Opens a model in a thread of its own. onnxruntime-node runs a session in the thread that calls it, whose timers,
 * sockets and finished decodes wait until the run is over: seconds, for a large tower.
 *
 * Inputs are copied once, on their way there; results are handed over as they are. The thread does not keep the process
 * alive, except while something is under way.
 */
export async function openThreadedRunner(model: Uint8Array | string, options: InferenceSession.SessionOptions, givesWay: boolean): Promise<SessionRunner> {
  const gate = new ExitGate();
  closeOnExit(gate);
  // Node's own options, such as a loader's, are for the program and not for this thread.
  const worker = new Worker(new URL("./session-thread.js", import.meta.url), { name: "sightline-session", execArgv: [], workerData: gate.flags });
  const waiting = new Map<number | undefined, Waiting>();
  const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve(forgetGate(gate))));
  /** By input: the buffer of an earlier run. New ones would be garbage of the thread, which seldom collects its own. */
  const spare = new Map<string, ArrayBuffer>();
  let runs = 0;
  let hasEnded = false;

  const settle = (id: number | undefined): Waiting | undefined => {
    const call = waiting.get(id);
    waiting.delete(id);
    if (waiting.size === 0) worker.unref();
    return call;
  };
  const fail = (error: Error): void => {
    for (const id of [...waiting.keys()]) settle(id)?.reject(error);
  };
  worker.on("message", (reply: RunnerReply) => {
    if (reply.kind === "failure") settle(reply.id)?.reject(new Error(reply.error));
    else settle(reply.kind === "results" ? reply.id : undefined)?.resolve(reply);
  });
  worker.on("error", fail);
  worker.on("exit", () => {
    hasEnded = true;
    fail(new Error("the session's thread has ended"));
  });

  const request = (message: RunnerRequest, id: number | undefined, transfer: readonly ArrayBuffer[]): Promise<RunnerOpened | RunnerResults> =>
    new Promise((resolve, reject) => {
      if (hasEnded) return reject(new Error("the session's thread has ended"));
      waiting.set(id, { resolve, reject });
      worker.ref();
      worker.postMessage(message, [...transfer]);
    });

  const release = async (): Promise<void> => {
    worker.ref();
    worker.postMessage({ kind: "release" } satisfies RunnerRequest);
    await ended;
  };
  let opened: RunnerOpened;
  try {
    opened = (await request({ kind: "open", model, options, givesWay }, undefined, [])) as RunnerOpened;
  } catch (error) {
    await release();
    throw error;
  }
  return {
    run: async (feeds: InferenceSession.OnnxValueMapType, fetches: InferenceSession.FetchesType) => {
      const messages = Object.entries(feeds).map(([name, value]) => {
        const message = copied(value as Tensor, spare.get(name));
        spare.delete(name);
        return [name, message] as const;
      });
      const outputs = Array.isArray(fetches) ? fetches : Object.keys(fetches);
      const id = runs++;
      const buffers = messages.map(([, { data }]) => data.buffer as ArrayBuffer);
      const reply = (await request({ kind: "run", id, feeds: Object.fromEntries(messages), outputs }, id, buffers)) as RunnerResults;
      for (const [name, buffer] of Object.entries(reply.spare)) spare.set(name, buffer);
      return Object.fromEntries(Object.entries(reply.results).map(([name, result]) => [name, received(result, Array.isArray(fetches) ? null : (fetches as Record<string, Tensor | null>)[name])]));
    },
    // A session that is profiled runs in the caller's thread.
    endProfiling: () => {},
    release,
    inputMetadata: opened.inputMetadata,
    outputMetadata: opened.outputMetadata,
  } as SessionRunner;
}

/** A copy in `spare`, where it is large enough. */
function copied({ type, dims, data }: Tensor, spare: ArrayBuffer | undefined): TensorMessage {
  const { buffer, byteOffset, byteLength } = data as Float32Array;
  if (!spare || spare.byteLength < byteLength) return { type, dims, data: (data as Float32Array).slice() };
  new Uint8Array(spare).set(new Uint8Array(buffer, byteOffset, byteLength));
  const TypedArray = data.constructor as Float32ArrayConstructor;
  return { type, dims, data: new TypedArray(spare, 0, data.length) };
}

/** The result as a tensor; in the buffer that was given for it, where there is one. */
function received({ type, dims, data }: TensorMessage, into: Tensor | null | undefined): Tensor {
  if (!into) return new Tensor(type as Tensor.Type, data as never, dims);
  (into.data as Float32Array).set(data as Float32Array);
  return into;
}
