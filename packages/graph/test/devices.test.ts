import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { deviceFailure } from "../src/devices.js";
import { autoDevices, DeviceError, Graph, openSession, scale, type RunDevice } from "../src/index.js";

const require = createRequire(import.meta.url);
const onnxruntime = path.dirname(require.resolve("onnxruntime-node/package.json"));
const hasCuda = existsSync(path.join(onnxruntime, "bin/napi-v6", process.platform, process.arch, "libonnxruntime_providers_cuda.so"));

function doubled(): Graph {
  const graph = new Graph();
  graph.output("y", scale(graph.input("x", "float32", [2]), 2));
  return graph;
}

async function failureOf(device: string): Promise<DeviceError> {
  const error: unknown = await openSession(doubled(), { device: device as RunDevice }).then(() => undefined, (failure: unknown) => failure);
  expect(error).toBeInstanceOf(DeviceError);
  return error as DeviceError;
}

describe.skipIf(hasCuda || process.platform !== "linux" || process.arch !== "x64")("a device whose libraries are a separate download", () => {
  it.each(["cuda", "tensorrt"] as const)("is refused with the reason and the command that fetches them: %s", async (device) => {
    const { reason, command, message } = await failureOf(device);
    expect(reason).toContain(`libonnxruntime_providers_${device}.so`);
    expect(message).toContain(`device "${device}" cannot be used: its libraries, a separate download, are not installed`);
    expect(message).toContain(`to enable it: ${command}`);
    const [, script = "", flag] = /^node (\S+) (--\S+)$/.exec(command ?? "") ?? [];
    expect(existsSync(script)).toBe(true);
    expect(flag).toBe("--onnxruntime-node-install=true");
  });

  it("is passed over by auto, which takes the CPU", async () => {
    expect(autoDevices()).toEqual(["cpu"]);
    await using session = await openSession(doubled(), { device: "auto" });
    expect(session.device).toBe("cpu");
  });
});

it("names the flag that onnxruntime-node's install script understands as a download", () => {
  const parse = `console.log(require(${JSON.stringify(path.join(onnxruntime, "script/install-utils.js"))}).parseInstallFlag())`;
  const { ONNXRUNTIME_NODE_INSTALL: _, npm_config_onnxruntime_node_install: __, ...env } = process.env;
  const parsed = execFileSync(process.execPath, ["-e", parse, "--", "--onnxruntime-node-install=true"], { env, encoding: "utf8" });
  expect(parsed.trim()).toBe("true");
});

it("says that this build of ONNX Runtime lacks a device", async () => {
  expect((await failureOf("abacus")).reason).toMatch(/^onnxruntime-node 1\.30\.0 has no abacus for /);
});

describe("what ONNX Runtime says", () => {
  it.each<[RunDevice, string, RegExp]>([
    ["webgpu", "Failed to get a WebGPU adapter: No supported adapters", /adapter/],
    ["cuda", "OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library", /NVIDIA driver|CUDA 12 and cuDNN 9/],
    ["tensorrt", "OrtSessionOptionsAppendExecutionProvider_TensorRT: Failed to load shared library", /NVIDIA driver|TensorRT 10/],
  ])("is the fault of %s: %s", (device, message, reason) => {
    const failure = deviceFailure(device, new Error(message));
    expect(failure?.device).toBe(device);
    expect(failure?.reason).toMatch(reason);
    expect(failure?.cause).toMatchObject({ message });
  });

  it.each<[RunDevice, string]>([
    ["webgpu", "Fatal error: NoSuchOperation(-1) is not a registered function/op"],
    ["cuda", "Fatal error: NoSuchOperation(-1) is not a registered function/op"],
    ["cpu", "Failed to load shared library"],
  ])("is the graph's fault on %s: %s", (device, message) => {
    expect(deviceFailure(device, new Error(message))).toBeUndefined();
  });
});
