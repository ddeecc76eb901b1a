import type { ModelPart } from "../manifest/model-manifest.js";

/** What a pull tells while it is under way. */
export type PullEvent =
  | {
      /** The hub was asked: which commit, and how much of it is missing here. */
      readonly type: "resolved";
      readonly repositories: readonly { readonly repository: string; readonly revision: string; readonly commit: string; readonly previousCommit?: string }[];
      readonly files: number;
      readonly totalBytes: number;
      /** Bytes that the cache lacks. */
      readonly missingBytes: number;
    }
  | { /** Another process pulls the same repository; this one waits for it. */ readonly type: "waiting"; readonly repository: string; readonly pid: number; readonly host: string }
  | {
      readonly type: "progress";
      /** Of the files that were missing, bytes from earlier runs included. */
      readonly receivedBytes: number;
      readonly missingBytes: number;
      /** Over the last seconds; 0 while unknown. */
      readonly bytesPerSecond: number;
      /** undefined while unknown. */
      readonly secondsLeft: number | undefined;
    }
  | { readonly type: "retry"; readonly attempt: number; readonly reason: string; readonly waitMs: number }
  | { /** A file's bytes are compared with its hash. */ readonly type: "check"; readonly path: string; readonly bytes: number }
  | { /** What the cache had was damaged, or the bytes that came were wrong; they are brought again. */ readonly type: "repair"; readonly path: string; readonly reason: string }
  | { readonly type: "file"; readonly path: string; readonly bytes: number };

/** A file of a pulled model. */
export interface PulledFile {
  readonly repository: string;
  /** Name in the repository. */
  readonly path: string;
  readonly part?: ModelPart;
  /** Where it lies here. */
  readonly file: string;
  readonly bytes: number;
  /** Of its bytes, as they were counted here. */
  readonly sha256?: string;
  /** Whether this pull brought it; else the cache had it. */
  readonly downloaded: boolean;
}

/** A model that lies in the cache, whole and checked. */
export interface PulledModel {
  /** As it was asked for. */
  readonly model: string;
  /** The snapshot of its first repository. */
  readonly directory: string;
  readonly repositories: readonly { readonly repository: string; readonly revision: string; readonly commit: string; readonly directory: string }[];
  readonly files: readonly PulledFile[];
  readonly downloadedBytes: number;
}
