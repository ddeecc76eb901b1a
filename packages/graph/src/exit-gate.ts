/**
 * Lets a process end between two calls of a thread into native code, never during one: Node ends its threads by force,
 * and onnxruntime-node aborts the whole process when that meets a run. Shared by both threads: int32[2].
 */
export class ExitGate {
  readonly flags: Int32Array;

  constructor(flags: Int32Array = new Int32Array(new SharedArrayBuffer(8))) {
    this.flags = flags;
  }

  /** In the session's thread: runs `call`, unless the process is ending; then it never settles. */
  async during<T>(call: () => Promise<T>): Promise<T> {
    Atomics.store(this.flags, busy, 1);
    try {
      if (Atomics.load(this.flags, ending) === 0) return await call();
    } finally {
      Atomics.store(this.flags, busy, 0);
      Atomics.notify(this.flags, busy);
    }
    return new Promise<never>(() => {});
  }

  /** In the thread that ends the process: lets no further call begin, and blocks until the one under way is over. */
  close(): void {
    Atomics.store(this.flags, ending, 1);
    Atomics.wait(this.flags, busy, 1);
  }
}

const busy = 0;
const ending = 1;
const gates = new Set<ExitGate>();

function closeAll(): void {
  for (const gate of gates) gate.close();
}

/** Closes the gate when the process ends, until `forgetGate`. */
export function closeOnExit(gate: ExitGate): void {
  if (gates.size === 0) process.on("exit", closeAll);
  gates.add(gate);
}

/** The thread behind the gate has ended. */
export function forgetGate(gate: ExitGate): void {
  gates.delete(gate);
  if (gates.size === 0) process.off("exit", closeAll);
}
