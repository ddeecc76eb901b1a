import { parentPort, workerData } from "node:worker_threads";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { ExitGate } from "./exit-gate.js";
import { giveWay } from "./give-way.js";
import type { RunnerReply, RunnerRequest, TensorMessage } from "./session-runner.js";

// The thread of one session: `openThreadedRunner` starts it. Requests are served one after the other, in their order.
const port = parentPort;
if (!port) throw new Error("session-thread: expected to be a worker thread; open a session with ownThread instead");

const gate = new ExitGate(workerData as Int32Array);
let session: InferenceSession | undefined;
let served = Promise.resolve();

port.on("message", (request: RunnerRequest) => {
  served = served.then(() => serve(request));
});

async function serve(request: RunnerRequest): Promise<void> {
  try {
    if (request.kind === "open") {
      // Before ONNX Runtime starts its threads, which take this one's priority.
      if (request.givesWay) giveWay();
      session = await gate.during(() => openModel(request));
      const { inputMetadata, outputMetadata } = session;
      port?.postMessage({ kind: "opened", inputMetadata, outputMetadata } satisfies RunnerReply);
    } else if (request.kind === "run") {
      const results = await run(request);
      const spare = Object.fromEntries(Object.entries(request.feeds).map(([name, { data }]) => [name, data.buffer as ArrayBuffer]));
      // Buffers are given away, not copied.
      const buffers = new Set([...Object.values(results).map(({ data }) => data.buffer as ArrayBuffer), ...Object.values(spare)]);
      port?.postMessage({ kind: "results", id: request.id, results, spare } satisfies RunnerReply, [...buffers]);
    } else {
      port?.close();
      await session?.release();
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    port?.postMessage({ kind: "failure", ...("id" in request ? { id: request.id } : {}), error: message } satisfies RunnerReply);
  }
}

function openModel({ model, options }: RunnerRequest & { readonly kind: "open" }): Promise<InferenceSession> {
  return typeof model === "string" ? InferenceSession.create(model, options) : InferenceSession.create(model, options);
}

async function run({ feeds, outputs }: RunnerRequest & { readonly kind: "run" }): Promise<Record<string, TensorMessage>> {
  const inputs = Object.fromEntries(Object.entries(feeds).map(([name, { type, dims, data }]) => [name, new Tensor(type as Tensor.Type, data as never, dims)]));
  const results = await gate.during(() => (session as InferenceSession).run(inputs, [...outputs]));
  return Object.fromEntries(Object.entries(results).map(([name, { type, dims, data }]) => [name, { type, dims, data: data as unknown as ArrayBufferView }]));
}
