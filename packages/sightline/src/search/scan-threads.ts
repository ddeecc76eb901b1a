import { Worker } from "node:worker_threads";
import { TaskRunner, type Task } from "./scan-tasks.js";
import type { Segment } from "./segment.js";

type Answer = { readonly result: number } | { readonly error: Error };

/**
 * Threads that do tasks on shared segments. With none, tasks are done in the caller's own thread, for indexes so small
 * that a message would take longer. The threads keep the process only while they work.
 */
export class ScanThreads {
  readonly #workers: readonly Worker[];
  readonly #here: TaskRunner;

  constructor(segments: readonly Segment[], threads: number) {
    this.#here = new TaskRunner(segments);
    // Node's own options, such as a loader's, are for the program and not for these threads.
    this.#workers = Array.from({ length: threads }, () => new Worker(new URL("./scan-thread.js", import.meta.url), { name: "sightline-search", execArgv: [], workerData: segments }));
    for (const worker of this.#workers) {
      // Told to whoever runs tasks; a thread that fails while there are none must not end the process.
      worker.on("error", () => undefined);
      worker.unref();
    }
  }

  /**
   * Does all tasks, each thread taking the next when it has done one; one call at a time.
   * @param onDone told after each task
   * @returns the sum of what tasks give
   * @throws what the first task that failed threw; the signal's reason, once tasks under way are done
   */
  async run(tasks: readonly Task[], { signal, onDone }: { readonly signal?: AbortSignal | undefined; readonly onDone?: (task: Task) => void } = {}): Promise<number> {
    let next = 0;
    let sum = 0;
    let failed = false;
    const isOver = (): boolean => failed || (signal?.aborted ?? false);
    const through = async (perform: (task: Task) => number | Promise<number>): Promise<void> => {
      for (let task = tasks[next++]; task !== undefined && !isOver(); task = tasks[next++]) {
        try {
          sum += await perform(task);
        } catch (error) {
          failed = true;
          throw error;
        }
        onDone?.(task);
      }
    };
    const performers = this.#workers.length === 0 ? [(task: Task) => this.#here.run(task)] : this.#workers.map((worker) => (task: Task) => ask(worker, task));
    // All of them end before this does, so that nobody works on memory whose owner has left.
    const ended = await Promise.allSettled(performers.map(through));
    for (const each of ended) if (each.status === "rejected") throw each.reason;
    signal?.throwIfAborted();
    return sum;
  }

  async end(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

function ask(worker: Worker, task: Task): Promise<number> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      worker.off("message", onMessage).off("error", onError).off("exit", onExit);
      worker.unref();
      act();
    };
    const onMessage = (answer: Answer): void => settle(() => ("error" in answer ? reject(answer.error) : resolve(answer.result)));
    const onError = (error: Error): void => settle(() => reject(error));
    const onExit = (): void => settle(() => reject(new Error("a thread of the search has ended")));
    worker.on("message", onMessage).on("error", onError).on("exit", onExit);
    worker.ref();
    worker.postMessage(task);
  });
}
