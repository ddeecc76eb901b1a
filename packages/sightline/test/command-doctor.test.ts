import { spawn } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeWebgpu } from "../../graph/test/webgpu-tests.js";
import type { Diagnosis } from "../src/doctor/diagnosis.js";
import { instructionsOf } from "../src/doctor/machine.js";
import { reportOf } from "../src/doctor/report.js";
import { finish, temporaryFolder, type CommandResult } from "./command.js";

const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

function doctor(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
  return finish(spawn(process.execPath, [main, "doctor", ...args], { stdio: "pipe", env: { ...process.env, ...env } }));
}

function parsed({ stdout }: CommandResult): Diagnosis {
  expect(stdout.endsWith("}\n")).toBe(true);
  return JSON.parse(stdout) as Diagnosis;
}

/** The environment in which every process first runs `code`. */
async function sabotage(name: string, code: string): Promise<Record<string, string>> {
  const file = path.join(folder, `${name}.cjs`);
  await writeFile(file, code);
  return { NODE_OPTIONS: `--require ${file}` };
}

describe("sightline doctor --json", () => {
  it("finds what the CPU needs, and why CUDA cannot be used", async () => {
    const result = await doctor(["--json"]);
    const { ok, node, machine, runtime, devices, auto, images, decoder, mini } = parsed(result);
    expect([result.code, ok]).toEqual([0, true]);
    expect(node).toEqual({ version: process.version, usable: true, needed: ">=20.19" });
    expect(machine).toMatchObject({ os: process.platform, architecture: process.arch });
    expect(machine.memory.totalBytes).toBeGreaterThan(machine.memory.freeBytes);
    expect(machine.temporary.freeBytes).toBeGreaterThan(0);
    expect(runtime).toEqual({ usable: true, version: "1.30.0" });
    expect(devices.cpu).toMatchObject({ usable: true, onDevice: 2, nodes: 2 });
    if (devices.cpu.usable) expect(devices.cpu.gflops).toBeGreaterThan(1);
    if (!devices.cuda.usable) {
      expect(devices.cuda.reason).not.toBe("");
      if (process.platform === "linux" && process.arch === "x64") expect(devices.cuda.command).toMatch(/^(node .*install\.js --onnxruntime-node-install=true|sudo apt-get install .+)$/);
      expect(auto).toBe("cpu");
    }
    expect(images).toMatchObject({ usable: true, formats: ["jpeg", "png", "webp", "gif", "tiff", "avif"] });
    expect(decoder).toMatchObject({ usable: true, release: "v0.4.0" });
    if (decoder.usable) expect(decoder.backends).toContain("cpu");
    expect(mini).toMatchObject({ usable: true });
  });

  it.runIf(process.platform === "linux")("says which Vulkan driver is not there, and how to be rid of the setting", async () => {
    const { VK_DRIVER_FILES: _, ...env } = process.env;
    const child = spawn(process.execPath, [main, "doctor", "--json"], { stdio: "pipe", env: { ...env, VK_ICD_FILENAMES: "/nowhere/driver.json" } });
    const { ok, devices } = parsed(await finish(child));
    expect(ok).toBe(true);
    expect(devices.webgpu).toMatchObject({ usable: false, command: "unset VK_ICD_FILENAMES" });
    if (!devices.webgpu.usable) expect(devices.webgpu.reason).toContain("VK_ICD_FILENAMES names a Vulkan driver that is not there (/nowhere/driver.json)");
  });

  it("survives a driver that crashes its process", async () => {
    const env = await sabotage("crash", `if (process.argv[1]?.endsWith("probe-main.js") && process.argv[2] === "webgpu") process.kill(process.pid, "SIGSEGV");`);
    const result = await doctor(["--json"], env);
    const { devices } = parsed(result);
    expect(result.code).toBe(0);
    expect(devices.webgpu).toMatchObject({ usable: false });
    if (!devices.webgpu.usable) expect(devices.webgpu.reason).toMatch(/the process that tried it (was ended by SIGSEGV|ended with)/);
    expect(devices.cpu.usable).toBe(true);
  });
});

describe("sightline doctor", () => {
  it("fails with 1 where the CPU path is broken, and still reports the rest", async () => {
    const env = await sabotage(
      "sharp",
      `const { Module } = require("node:module");
       const load = Module.prototype.require;
       Module.prototype.require = function (name) { if (name.startsWith("@img/")) throw new Error("cannot open " + name); return load.call(this, name); };`,
    );
    const { code, stdout } = await doctor([], env);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^no {2}images {7}.*sharp/m);
    expect(stdout).toMatch(/^ok {2}llama\.cpp {4}v0\.4\.0 from /m);
    expect(stdout).toMatch(/^ok {2}cpu {10}\d+(\.\d+)? GFLOP\/s in float32$/m);
    expect(stdout).toContain("Something that the CPU needs is missing: see the lines that say no.");
  });

  it("refuses what it does not know", async () => {
    expect(await doctor(["cuda"])).toMatchObject({ code: 2, stdout: "" });
  });
});

describeWebgpu("sightline doctor with WebGPU", () => {
  it("runs a graph there, all of it", async () => {
    const { devices } = parsed(await doctor(["--json"]));
    expect(devices.webgpu).toMatchObject({ usable: true });
    if (devices.webgpu.usable) {
      expect(devices.webgpu.onDevice).toBe(devices.webgpu.nodes);
      expect(devices.webgpu.gflops).toBeGreaterThan(0.01);
    }
  });
});

describe("the report", () => {
  const device = { usable: true, onDevice: 3, nodes: 3, float16: true, gflops: 5 } as const;
  const diagnosis: Diagnosis = {
    ok: true,
    version: "1.2.3",
    node: { version: "v20.20.2", usable: true, needed: ">=20.19" },
    machine: {
      os: "linux",
      architecture: "x64",
      release: "6.1",
      cpu: { model: "A CPU", threads: 1, instructions: ["AVX2"] },
      memory: { totalBytes: 8 * 2 ** 30, freeBytes: 2 ** 30 },
      temporary: { folder: "/tmp", freeBytes: 2 ** 31 },
    },
    runtime: { usable: true, version: "1.30.0" },
    devices: { cpu: { ...device, gflops: 123.4 }, webgpu: { ...device, float16: false }, cuda: { ...device, onDevice: 1, gflops: 40_000 }, tensorrt: { usable: false, reason: "why", command: "do this" } },
    auto: "cuda",
    images: { usable: true, sharp: "1", libvips: "2", formats: ["jpeg"] },
    decoder: { usable: true, release: "v0", packages: ["p"], backends: ["cpu", "cuda"], gpu: true },
    mini: { usable: true, folder: "/mini", files: [] },
  };

  it("fits a screen and marks each line", () => {
    const text = reportOf(diagnosis);
    expect(text.split("\n").length).toBeLessThan(24);
    for (const line of [
      "ok  CPU          A CPU, 1 thread, AVX2",
      "ok  memory       8.0 GB, 1.0 GB free",
      "ok  llama.cpp    v0 from p: cpu, cuda; layers can go to a GPU",
      'Devices of the vision tower; "auto" takes cuda',
      "ok  cpu          123 GFLOP/s in float32",
      "ok  webgpu       5.0 GFLOP/s in float32, no float16; slower than the CPU: perhaps a driver that computes on it",
      "ok  cuda         40000 GFLOP/s in float32, float16 too; 2 of 3 nodes ran elsewhere",
      "no  tensorrt     why",
      "                 to enable it: do this",
    ]) {
      expect(text.split("\n")).toContain(line);
    }
  });

  it("names instruction sets by Linux's and macOS's flags", () => {
    expect(instructionsOf(new Set(["sse2", "avx2", "avx512f", "avx512_vnni", "amx_int8"]))).toEqual(["AVX2", "AVX-512", "AVX512-VNNI", "AMX-INT8"]);
    expect(instructionsOf(new Set(["hw.optional.neon", "hw.optional.arm.feat_dotprod", "hw.optional.arm.feat_i8mm"]))).toEqual(["NEON", "dot product", "I8MM"]);
    expect(instructionsOf(new Set(["sse2"]))).toEqual([]);
  });
});
