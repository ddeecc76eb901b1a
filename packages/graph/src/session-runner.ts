import type { InferenceSession } from "onnxruntime-node";

/** What a session asks of ONNX Runtime, whichever thread it runs in. */
export type SessionRunner = Pick<InferenceSession, "run" | "release" | "endProfiling">;

/** A tensor as it travels between threads. */
export interface TensorMessage {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: ArrayBufferView;
}

/** To the thread of a session. The first one opens it. */
export type RunnerRequest =
  | { readonly kind: "open"; readonly model: Uint8Array; readonly options: InferenceSession.SessionOptions }
  | { readonly kind: "run"; readonly id: number; readonly feeds: Readonly<Record<string, TensorMessage>>; readonly outputs: readonly string[] }
  | { readonly kind: "end-profiling" }
  | { readonly kind: "release" };

/** From the thread; `id` is undefined for the opening. */
export type RunnerReply =
  | { readonly id?: number; readonly error: string }
  | RunnerResults;

/** Outputs, and the inputs' buffers, which go back to be filled again. */
export interface RunnerResults {
  readonly id?: number;
  readonly results: Readonly<Record<string, TensorMessage>>;
  readonly spare: Readonly<Record<string, ArrayBuffer>>;
}
