import { packageVersion } from "../cli/package-version.js";
import { readMachine, type Machine } from "./machine.js";
import { probe, type DecoderFacts, type DeviceFacts, type Finding, type ImageFacts, type ModelFacts, type RuntimeFacts } from "./probe.js";

/** What this machine can do, and why not what it cannot. */
export interface Diagnosis {
  /** Whether everything works that chatting about an image on the CPU needs. */
  readonly ok: boolean;
  /** Of sightline. */
  readonly version: string;
  readonly node: { readonly version: string; readonly usable: boolean; readonly needed: string };
  readonly machine: Machine;
  readonly runtime: Finding<RuntimeFacts>;
  /** Each tried by opening and running a small graph on it. */
  readonly devices: {
    readonly cpu: Finding<DeviceFacts>;
    readonly webgpu: Finding<DeviceFacts>;
    readonly cuda: Finding<DeviceFacts>;
    readonly tensorrt: Finding<DeviceFacts>;
  };
  /** What device "auto" takes. */
  readonly auto: "cpu" | "cuda";
  /** What decodes images: sharp. */
  readonly images: Finding<ImageFacts>;
  /** What runs decoders: llama.cpp. */
  readonly decoder: Finding<DecoderFacts>;
  /** The model that comes with sightline. */
  readonly mini: Finding<ModelFacts>;
}

/** As package.json's engines. */
const needed = [20, 19] as const;

/**
 * Examines the machine and the installation. Each part is tried in a process of its own, for up to a minute.
 * @throws the signal's reason
 */
export async function diagnose(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Diagnosis> {
  const machine = await readMachine();
  // By itself, because it measures the CPU's speed.
  const cpu = await probe("cpu", options);
  const [runtime, webgpu, cuda, tensorrt, images, decoder, mini] = await Promise.all([
    probe("runtime", options),
    probe("webgpu", options),
    probe("cuda", options),
    probe("tensorrt", options),
    probe("images", options),
    probe("decoder", options),
    probe("mini", options),
  ]);
  const node = { version: process.version, usable: isNewEnough(process.versions.node), needed: `>=${needed.join(".")}` };
  const ok = node.usable && [runtime, cpu, images, decoder, mini].every(({ usable }) => usable);
  return { ok, version: packageVersion(), node, machine, runtime, devices: { cpu, webgpu, cuda, tensorrt }, auto: cuda.usable ? "cuda" : "cpu", images, decoder, mini };
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > needed[0] || (major === needed[0] && minor >= needed[1]);
}
