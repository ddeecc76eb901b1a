import { parentPort, workerData } from "node:worker_threads";
import { TaskRunner, type Task } from "./scan-tasks.js";
import type { Segment } from "./segment.js";

// A thread of ScanThreads: tasks come one after the other, and each is answered.
const port = parentPort;
if (!port) throw new Error("scan-thread: expected to be a worker thread; open an index with openIndex instead");
const runner = new TaskRunner(workerData as readonly Segment[]);
port.on("message", (task: Task) => {
  try {
    port.postMessage({ result: runner.run(task) });
  } catch (error) {
    port.postMessage({ error });
  }
});
