import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { availableParallelism, cpus, freemem, release, tmpdir, totalmem } from "node:os";

/** What the machine is, as far as it matters here. */
export interface Machine {
  readonly os: NodeJS.Platform;
  readonly architecture: string;
  readonly release: string;
  readonly cpu: {
    readonly model: string;
    /** Threads that this process may use at once. */
    readonly threads: number;
    /** Of the instruction sets that matrix products gain from, those that the CPU has; undefined where they cannot be read. */
    readonly instructions: readonly string[] | undefined;
  };
  readonly memory: { readonly totalBytes: number; readonly freeBytes: number };
  /** Where the weights of a large tower lie while it is open. */
  readonly temporary: { readonly folder: string; readonly freeBytes: number | undefined };
}

export async function readMachine(): Promise<Machine> {
  const folder = tmpdir();
  const disk = await statfs(folder).catch(() => undefined);
  return {
    os: process.platform,
    architecture: process.arch,
    release: release(),
    cpu: { model: cpus()[0]?.model.trim() ?? "unknown", threads: availableParallelism(), instructions: readInstructions() },
    memory: { totalBytes: totalmem(), freeBytes: freemem() },
    temporary: { folder, freeBytes: disk && disk.bavail * disk.bsize },
  };
}

/** Names of instruction sets by the flags that Linux and macOS have for them. */
const instructionFlags: Readonly<Record<string, readonly string[]>> = {
  AVX2: ["avx2"],
  "AVX-512": ["avx512f"],
  "AVX-VNNI": ["avx_vnni"],
  "AVX512-VNNI": ["avx512_vnni", "avx512vnni"],
  "AVX512-BF16": ["avx512_bf16"],
  "AMX-INT8": ["amx_int8"],
  NEON: ["asimd", "hw.optional.neon"],
  "dot product": ["asimddp", "hw.optional.arm.feat_dotprod"],
  I8MM: ["i8mm", "hw.optional.arm.feat_i8mm"],
  BF16: ["bf16", "hw.optional.arm.feat_bf16"],
  SVE: ["sve"],
};

/** The instruction sets among a list of flags. */
export function instructionsOf(flags: ReadonlySet<string>): readonly string[] {
  return Object.entries(instructionFlags).flatMap(([name, known]) => (known.some((flag) => flags.has(flag)) ? [name] : []));
}

function readInstructions(): readonly string[] | undefined {
  try {
    if (process.platform === "linux") {
      const line = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "latin1"))?.[1];
      return line === undefined ? undefined : instructionsOf(new Set(line.toLowerCase().split(/\s+/)));
    }
    if (process.platform === "darwin") {
      // Each "name: 1" is a feature; on Intel the features stand in lists of their own.
      const lines = execFileSync("sysctl", ["hw.optional", "machdep.cpu"], { encoding: "latin1", stdio: ["ignore", "pipe", "ignore"], timeout: 5000 }).toLowerCase().split("\n");
      const flags = lines.flatMap((text) => (text.endsWith(": 1") ? [text.slice(0, -3)] : text.startsWith("machdep.cpu") ? text.split(/[:\s]+/) : []));
      return instructionsOf(new Set(flags));
    }
  } catch {
    // A sandbox may hide them; nothing else depends on them.
  }
  return undefined;
}
