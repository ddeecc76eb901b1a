import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What a child is asked to load. */
export interface LoadRequest {
  readonly kind: "mmproj" | "decoder";
  readonly file: string;
  readonly decoder?: string;
  readonly width?: number;
}

/** How it ended: "works", the class of an error, or "died" and "hung", of which the process is gone. */
export interface LoadOutcome {
  readonly outcome: string;
  readonly code?: string;
  readonly message?: string;
  /** Why this is a failure. */
  readonly complaint?: string;
  readonly maxRssMb?: number;
}

const script = fileURLToPath(new URL("./load-case.mjs", import.meta.url));
/** A mutant takes some hundredths of a second; one that takes this long never ends. */
const patienceMs = 20_000;

/** One process that takes a model after the other, and a new one after a death. */
export class LoadingChild implements AsyncDisposable {
  #child: ChildProcess | undefined;
  #words = "";

  async load(request: LoadRequest): Promise<LoadOutcome> {
    this.#child ??= await this.#start();
    const child = this.#child;
    this.#words = "";
    const answer = this.#next(child);
    child.send(request);
    const outcome = await answer;
    if (outcome.outcome === "died" || outcome.outcome === "hung") this.#child = undefined;
    return outcome;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child?.kill("SIGKILL");
  }

  async #start(): Promise<ChildProcess> {
    const child = fork(script, { stdio: ["ignore", "ignore", "pipe", "ipc"] });
    child.stderr?.on("data", (piece: Buffer) => (this.#words = (this.#words + piece.toString()).slice(-4000)));
    const { outcome } = await this.#next(child);
    if (outcome !== "ready") throw new Error(`the child did not start: ${this.#words}`);
    return child;
  }

  #next(child: ChildProcess): Promise<LoadOutcome> {
    return new Promise((resolve) => {
      const settle = (outcome: LoadOutcome): void => {
        clearTimeout(timer);
        child.removeAllListeners("message").removeAllListeners("exit");
        resolve(outcome);
      };
      const timer = setTimeout(() => {
        settle({ outcome: "hung", complaint: `no end after ${patienceMs} ms` });
        child.kill("SIGKILL");
      }, patienceMs);
      child.once("message", (outcome) => settle(outcome as LoadOutcome));
      child.once("exit", (code, signal) => {
        // Its last words may still be in the pipe.
        setTimeout(() => settle({ outcome: "died", complaint: `the process ended with ${signal ?? String(code)}: ${this.#words.trim().split("\n").filter((line) => !/^\s*(\[New LWP|\[Thread|#\d|0x|warning:|Using host|This GDB|See gdb|Download failed)/.test(line)).slice(-6).join(" | ")}` }), 50);
      });
    });
  }
}
