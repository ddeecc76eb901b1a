import type { InferenceSession } from "onnxruntime-node";

/** What a session asks of ONNX Runtime, whichever thread it runs in. */
export type SessionRunner = Pick<InferenceSession, "run" | "release" | "endProfiling" | "inputMetadata" | "outputMetadata">;

/** A tensor as it travels between threads. */
export interface TensorMessage {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: ArrayBufferView;
}

/** To the thread of a session. The first one opens it. */
export type RunnerRequest =
  | { readonly kind: "open"; readonly model: Uint8Array | string; readonly options: InferenceSession.SessionOptions; readonly givesWay: boolean }
  | { readonly kind: "run"; readonly id: number; readonly feeds: Readonly<Record<string, TensorMessage>>; readonly outputs: readonly string[] }
  | { readonly kind: "release" };

/** From the thread; an error without `id` is that of the opening. */
export type RunnerReply = RunnerFailure | RunnerOpened | RunnerResults;

export interface RunnerFailure {
  readonly kind: "failure";
  readonly id?: number;
  readonly error: string;
}

/** What the model takes and gives. */
export type RunnerOpened = { readonly kind: "opened" } & Pick<SessionRunner, "inputMetadata" | "outputMetadata">;

/** Outputs, and the inputs' buffers, which go back to be filled again. */
export interface RunnerResults {
  readonly kind: "results";
  readonly id: number;
  readonly results: Readonly<Record<string, TensorMessage>>;
  readonly spare: Readonly<Record<string, ArrayBuffer>>;
}
