import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { listSupportedBackends, type InferenceSession } from "onnxruntime-node";
import { GraphError } from "./graph-error.js";

/**
 * Where a graph runs. `auto` takes cuda where its libraries are installed and the graph opens there, else the CPU. It
 * never takes webgpu, which may be a driver that draws on the CPU and is slower than it, nor tensorrt, which compiles a
 * graph for minutes: these are taken when they are named.
 */
export type Device = "cpu" | "webgpu" | "cuda" | "tensorrt" | "auto";

/** A device that a graph can be opened on. */
export type RunDevice = Exclude<Device, "auto">;

/** Every device, the CPU first. */
export const runDevices: readonly RunDevice[] = ["cpu", "webgpu", "cuda", "tensorrt"];

/** A device that this machine cannot use: why, and what would enable it. */
export class DeviceError extends GraphError {
  override readonly name: string = "DeviceError";
  readonly device: RunDevice;
  readonly reason: string;
  /** One command for a shell; undefined where none would help. */
  readonly command: string | undefined;

  constructor(device: RunDevice, { reason, command }: DeviceProblem, options?: ErrorOptions) {
    super(`openSession: device "${device}" cannot be used: ${reason}${command === undefined ? "" : `; to enable it: ${command}`}`, options);
    this.device = device;
    this.reason = reason;
    this.command = command;
  }
}

interface DeviceProblem {
  readonly reason: string;
  readonly command?: string;
}

/** The devices that `auto` tries, best first. Trying cuda without its libraries would print ONNX Runtime's complaint about them. */
export function autoDevices(): readonly RunDevice[] {
  return missingDevice("cuda") ? ["cpu"] : ["cuda", "cpu"];
}

/** The version of onnxruntime-node that graphs run on. */
export function onnxruntimeVersion(): string {
  return (createRequire(import.meta.url)("onnxruntime-node/package.json") as { readonly version: string }).version;
}

/** ONNX Runtime's providers for a device, in the order in which they are offered a node; the CPU comes last by itself. */
export function executionProviders(device: RunDevice): InferenceSession.ExecutionProviderConfig[] {
  return device === "tensorrt" ? ["tensorrt", "cuda"] : [device];
}

/** What can be told before a device is tried: that this build of ONNX Runtime lacks it, or that its libraries are not installed. */
export function missingDevice(device: RunDevice): DeviceError | undefined {
  const backend = listSupportedBackends().find(({ name }) => name === device);
  if (!backend) return new DeviceError(device, absentFromBuild(device));
  const library = providerLibraries[device];
  if (library === undefined || existsSync(path.join(packageFolder(), "bin", "napi-v6", process.platform, process.arch, library))) return undefined;
  const driver = hasNvidiaDriver() ? "" : "; nor is an NVIDIA driver loaded, which it needs too";
  return new DeviceError(device, { reason: `its libraries, a separate download, are not installed (${library})${driver}`, command: installCommand() });
}

/**
 * ONNX Runtime's failure to open a session, put into words where it is the device's fault; undefined where it is not.
 */
export function deviceFailure(device: RunDevice, cause: unknown): DeviceError | undefined {
  const message = cause instanceof Error ? cause.message : String(cause);
  const problem = device === "webgpu" ? webgpuProblem(message) : device === "cpu" ? undefined : nvidiaProblem(device, message);
  return problem && new DeviceError(device, problem, { cause });
}

/** Files that onnxruntime-node's install script fetches; it has them for Linux on x64. */
const providerLibraries: Readonly<Partial<Record<RunDevice, string>>> = {
  cuda: "libonnxruntime_providers_cuda.so",
  tensorrt: "libonnxruntime_providers_tensorrt.so",
};

function absentFromBuild(device: RunDevice): DeviceProblem {
  const platform = `${process.platform}-${process.arch}`;
  const instead = device === "webgpu" || process.platform === "linux" ? "" : '; "webgpu" drives this machine\'s GPU, whoever made it';
  return { reason: `onnxruntime-node ${onnxruntimeVersion()} has no ${device} for ${platform}${instead}` };
}

function webgpuProblem(message: string): DeviceProblem | undefined {
  if (!/adapter|WGPUDevice|RequestDevice/i.test(message)) return undefined;
  const chosen = process.env["VK_DRIVER_FILES"] ?? process.env["VK_ICD_FILENAMES"];
  const absent = process.platform === "linux" ? chosen?.split(":").filter((file) => file !== "" && !existsSync(file)) : undefined;
  if (absent && absent.length > 0) {
    const variable = process.env["VK_DRIVER_FILES"] === undefined ? "VK_ICD_FILENAMES" : "VK_DRIVER_FILES";
    return { reason: `${variable} names a Vulkan driver that is not there (${absent.join(", ")})`, command: `unset ${variable}` };
  }
  if (process.platform !== "linux") return { reason: "the system offers no graphics adapter that WebGPU can use; a newer graphics driver may" };
  return {
    reason: "no graphics adapter was found: the Vulkan loader or a Vulkan driver that WebGPU accepts is missing",
    command: "sudo apt-get install libvulkan1 mesa-vulkan-drivers",
  };
}

function nvidiaProblem(device: RunDevice, message: string): DeviceProblem | undefined {
  if (!/AppendExecutionProvider|shared library|CUDA (error|failure|driver)|cuDNN|no CUDA-capable/i.test(message)) return undefined;
  if (!hasNvidiaDriver()) return { reason: "no NVIDIA driver is loaded", command: "sudo apt-get install nvidia-driver" };
  const needs = device === "cuda" ? "CUDA 12 and cuDNN 9" : "CUDA 12, cuDNN 9 and TensorRT 10";
  const packages = device === "cuda" ? "cuda-toolkit-12 cudnn9-cuda-12" : "cuda-toolkit-12 cudnn9-cuda-12 libnvinfer10 libnvinfer-plugin10 libnvonnxparsers10";
  return { reason: `its libraries did not load (${message.split("\n", 1)[0]}); they need ${needs}, here from NVIDIA's package repository`, command: `sudo apt-get install ${packages}` };
}

/** The module of the driver, or the device through which Windows lends its driver to Linux. */
function hasNvidiaDriver(): boolean {
  return existsSync("/proc/driver/nvidia/version") || existsSync("/usr/lib/wsl/lib/libcuda.so.1");
}

/**
 * onnxruntime-node 1.30.0's install script, called by itself: npm may not run scripts of packages, and our .npmrc tells
 * this one to skip the download. Its flag must be "true": for "cuda12" the script's own parser returns nothing.
 */
function installCommand(): string {
  const script = path.join(packageFolder(), "script", "install.js");
  const relative = path.relative(process.cwd(), script);
  const shown = relative.startsWith("..") ? script : relative;
  return `node ${/\s/.test(shown) ? `"${shown}"` : shown} --onnxruntime-node-install=true`;
}

function packageFolder(): string {
  return path.dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json"));
}
