import { TrainingError } from "../training-error.js";
import type { Collectives } from "./collectives.js";

const libraries = ["libmpi.so.40", "libmpi.so", "libmpi.40.dylib", "libmpi.dylib"];
/** MPI_THREAD_SERIALIZED: calls may come from any thread, one at a time. */
const serialized = 2;
/** MPI_IN_PLACE of Open MPI's mpi.h. */
const inPlace = 1n;
/** Elements of one call; counts are C ints, and shorter messages let the queue breathe. */
const mostElements = 2 ** 26;

type Native = (...values: unknown[]) => number;
type NativeAsync = Native & { async(...values: unknown[]): void };

/** What is used of koffi, whose own types say `any`. */
interface Koffi {
  load(file: string, options: { readonly global: boolean }): { func(prototype: string): NativeAsync; symbol(name: string): bigint };
}

/**
 * Joins the processes that `mpirun` started (Open MPI; `mpirun -n 4 sightline finetune --distributed mpi …`). Started without it, this process is alone.
 * After it is disposed of, the process must end with `process.exit`: a natural end unloads the library, and crashes in it.
 * @throws TrainingError when Open MPI is not installed, or another MPI was found
 */
export async function openMpi(): Promise<Collectives> {
  // koffi is native, and not needed by runs of one process.
  const koffi = (await import("koffi")).default as unknown as Koffi;
  const library = loadLibrary(koffi);
  const world = symbolOf(library, "ompi_mpi_comm_world");
  const types = { float32: symbolOf(library, "ompi_mpi_float"), float64: symbolOf(library, "ompi_mpi_double"), byte: symbolOf(library, "ompi_mpi_byte") };
  const sum = symbolOf(library, "ompi_mpi_op_sum");
  const check = (name: string, code: number): void => {
    if (code !== 0) throw new TrainingError(`openMpi: ${name} failed with code ${code}`);
  };
  const initThread = library.func("int MPI_Init_thread(int* argc, void* argv, int required, _Out_ int* provided)");
  const provided = [0];
  check("MPI_Init_thread", initThread(null, null, serialized, provided));
  if ((provided[0] as number) < serialized) throw new TrainingError(`openMpi: expected an Open MPI built for threads (MPI_THREAD_SERIALIZED), got level ${provided[0]}`);
  const number = (name: string): number => {
    const out = [0];
    check(name, library.func(`int ${name}(void* comm, _Out_ int* value)`)(world, out));
    return out[0] as number;
  };
  const [rank, size] = [number("MPI_Comm_rank"), number("MPI_Comm_size")];
  const allreduce = library.func("int MPI_Allreduce(void* send, void* receive, int count, void* type, void* op, void* comm)");
  const sendrecv = library.func("int MPI_Sendrecv(void* send, int sends, void* sendType, int to, int sendTag, void* receive, int receives, void* receiveType, int from, int receiveTag, void* comm, void* status)");
  const abortAll = library.func("int MPI_Abort(void* comm, int code)");
  const finalize = library.func("int MPI_Finalize()");

  let last: Promise<unknown> = Promise.resolve();
  /** One call at a time, in a thread of koffi's, so that the event loop goes on. */
  const call = (name: string, native: NativeAsync, ...values: unknown[]): Promise<void> => {
    const result = last.then(
      () =>
        new Promise<void>((resolve, reject) => {
          native.async(...values, (error: Error | null, code: number) => {
            if (error) reject(error);
            else if (code !== 0) reject(new TrainingError(`openMpi: ${name} failed with code ${code}`));
            else resolve();
          });
        }),
    );
    last = result.catch(() => undefined);
    return result;
  };
  return {
    rank,
    size,
    async allReduceSum(values) {
      const type = values instanceof Float32Array ? types.float32 : types.float64;
      for (let from = 0; from < values.length; from += mostElements) {
        const part = values.subarray(from, from + mostElements);
        await call("MPI_Allreduce", allreduce, inPlace, part, part.length, type, sum, world);
      }
    },
    async exchange(send, to, receive, from) {
      // Both sides cut at the same places: each knows what it sends, and what it waits for.
      const parts = Math.max(1, Math.ceil(Math.max(send.length, receive.length) / mostElements));
      for (let i = 0; i < parts; i++) {
        const [out, into] = [send, receive].map((bytes) => bytes.subarray(i * mostElements, (i + 1) * mostElements)) as [Uint8Array, Uint8Array];
        await call("MPI_Sendrecv", sendrecv, out, out.length, types.byte, to, i, into, into.length, types.byte, from, i, world, null);
      }
    },
    abort: () => void abortAll(world, 1),
    async [Symbol.asyncDispose]() {
      await last;
      check("MPI_Finalize", finalize());
    },
  };
}

function loadLibrary(koffi: Koffi): ReturnType<Koffi["load"]> {
  let cause: unknown;
  for (const name of libraries) {
    try {
      // Its plugins look for the symbols of the library itself among the global ones.
      return koffi.load(name, { global: true });
    } catch (error) {
      cause = error;
    }
  }
  throw new TrainingError(
    "openMpi: expected Open MPI (libmpi), which is not installed; install it with: apt-get install openmpi-bin libopenmpi-dev (macOS: brew install open-mpi), then start with: mpirun -n 4 sightline finetune --distributed mpi --config FILE",
    { cause },
  );
}

function symbolOf(library: ReturnType<Koffi["load"]>, name: string): bigint {
  try {
    return library.symbol(name);
  } catch (cause) {
    throw new TrainingError(`openMpi: the MPI that is installed has no "${name}"; expected Open MPI (MPICH and its kin are not supported): apt-get install openmpi-bin libopenmpi-dev`, { cause });
  }
}
