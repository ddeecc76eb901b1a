import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What one part of the installation was found to be, tried in a process of its own. */
export type Finding<Facts> =
  | ({ readonly usable: true } & Facts)
  | { readonly usable: false; readonly reason: string; /** One command that would enable it, where there is one. */ readonly command?: string };

/** How a trial on a device went. */
export interface DeviceFacts {
  /** Nodes of a small graph that ran on the device, of how many. */
  readonly onDevice: number;
  readonly nodes: number;
  /** Whether it computes in float16. */
  readonly float16: boolean;
  /** Of float32 matrix products, measured for a moment; billions of operations a second. */
  readonly gflops: number;
}

/** The installed image library. */
export interface ImageFacts {
  readonly sharp: string;
  readonly libvips: string;
  readonly formats: readonly string[];
}

/** The installed llama.cpp. */
export interface DecoderFacts {
  readonly release: string;
  readonly packages: readonly string[];
  readonly backends: readonly string[];
  /** Whether layers can be put on a GPU. */
  readonly gpu: boolean;
}

/** The installed ONNX Runtime. */
export interface RuntimeFacts {
  /** Of onnxruntime-node. */
  readonly version: string;
}

/** The model that comes with the package. */
export interface ModelFacts {
  readonly folder: string;
  readonly files: readonly string[];
}

/** What can be probed, and what is found out. */
export interface Probes {
  readonly runtime: RuntimeFacts;
  readonly cpu: DeviceFacts;
  readonly webgpu: DeviceFacts;
  readonly cuda: DeviceFacts;
  readonly tensorrt: DeviceFacts;
  readonly images: ImageFacts;
  readonly decoder: DecoderFacts;
  readonly mini: ModelFacts;
}

/** Starting a driver and compiling its kernels for the first time takes seconds. */
const timeoutMs = 60_000;
const main = fileURLToPath(new URL("./probe-main.js", import.meta.url));

/**
 * Tries one part of the installation in a process of its own: a broken library or driver may take its process down with it.
 */
export function probe<Name extends keyof Probes>(name: Name, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Finding<Probes[Name]>> {
  return new Promise((resolve, reject) => {
    const { signal } = options;
    execFile(process.execPath, [main, name], { timeout: timeoutMs, killSignal: "SIGKILL", ...(signal ? { signal } : {}) }, (error, stdout, stderr) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      const finding = parsed<Probes[Name]>(stdout);
      if (finding?.usable === false) return resolve({ ...finding, reason: withDetail(finding.reason, stderr) });
      // A driver that crashes when its process ends has done its work before.
      if (finding) return resolve(finding);
      if (error?.killed) return resolve({ usable: false, reason: `no answer within ${timeoutMs / 1000} seconds` });
      const crash = error?.signal ? `the process that tried it was ended by ${error.signal}` : `the process that tried it ended with ${error?.code ?? 0} and no answer`;
      resolve({ usable: false, reason: withDetail(crash, stderr) });
    });
  });
}

function parsed<Facts>(stdout: string): Finding<Facts> | undefined {
  try {
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Finding<Facts>;
  } catch {
    return undefined;
  }
}

/** Libraries that native code looked for in vain; it says so on stderr only. */
function withDetail(reason: string, stderr: string): string {
  const missing = /(?:Couldn't load Vulkan: |with error: )([^\n]*cannot open shared object file)/.exec(stderr)?.[1];
  return missing === undefined || reason.includes(missing) ? reason : `${reason} (${missing})`;
}
