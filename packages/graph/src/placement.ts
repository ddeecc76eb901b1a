import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { RunDevice } from "./devices.js";
import { GraphError } from "./graph-error.js";

/** Where the nodes of a session ran, counted from ONNX Runtime's own record of its runs. */
export interface Placement {
  readonly device: RunDevice;
  /** Nodes that ran, as they are after ONNX Runtime's fusions, copies left out. */
  readonly nodes: number;
  /** Of them, those that ran on `device`. */
  readonly onDevice: number;
  /** Those that ran on the CPU although another device was asked for: how many of each operation. */
  readonly fallback: Readonly<Record<string, number>>;
  /** Copies between the device's memory and the CPU's within a run, which such nodes cost. */
  readonly copies: number;
}

const providerOf: Readonly<Record<RunDevice, string>> = {
  cpu: "CPUExecutionProvider",
  webgpu: "WebGpuExecutionProvider",
  cuda: "CUDAExecutionProvider",
  tensorrt: "TensorrtExecutionProvider",
};

interface ProfileEvent {
  readonly name?: string;
  readonly args?: { readonly op_name?: string; readonly provider?: string; readonly node_index?: string };
}

/**
 * Counts nodes in a profile that ONNX Runtime wrote (Chrome's trace format, one event for each run of a node's kernel).
 * @throws GraphError when no node ran
 */
export function readPlacement(profile: string, device: RunDevice): Placement {
  const seen = new Set<string>();
  const fallback: Record<string, number> = {};
  let [nodes, onDevice, copies] = [0, 0, 0];
  for (const { name = "", args } of JSON.parse(profile) as readonly ProfileEvent[]) {
    if (args?.provider === undefined || args.op_name === undefined || !name.endsWith("_kernel_time")) continue;
    if (seen.size === seen.add(name).size) continue;
    if (args.op_name.startsWith("Memcpy")) copies++;
    else {
      nodes++;
      if (args.provider === providerOf[device]) onDevice++;
      else if (args.provider === providerOf.cpu) fallback[args.op_name] = (fallback[args.op_name] ?? 0) + 1;
    }
  }
  if (nodes === 0) throw new GraphError("Session.placement: no node has run yet; run the session first");
  return { device, nodes, onDevice, fallback, copies };
}

/** A folder of its own for the profile of one session: ONNX Runtime adds the time to the name and does not tell it. */
export class ProfileFolder {
  readonly #folder: string;
  /** How the profile's path begins. */
  readonly prefix: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.prefix = path.join(folder, "profile");
  }

  static async create(): Promise<ProfileFolder> {
    return new ProfileFolder(await mkdtemp(path.join(tmpdir(), "sightline-profile-")));
  }

  /** The finished profile. */
  async read(): Promise<string> {
    const [file] = await readdir(this.#folder);
    if (file === undefined) throw new GraphError(`Session.placement: ONNX Runtime wrote no profile to ${this.#folder}`);
    return readFile(path.join(this.#folder, file), "utf8");
  }

  remove(): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true });
  }
}
