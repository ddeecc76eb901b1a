import type { Diagnosis } from "./diagnosis.js";
import type { DeviceFacts, Finding } from "./probe.js";

/** A diagnosis as one screen of text. */
export function reportOf({ version, node, machine, runtime, devices, auto, images, decoder, mini, ok }: Diagnosis): string {
  const { cpu, memory, temporary } = machine;
  const instructions = cpu.instructions === undefined ? "" : `, ${cpu.instructions.join(" ") || "no vector instructions that are known here"}`;
  const lines = [
    `sightline ${version} on ${machine.os} ${machine.architecture} ${machine.release}`,
    "",
    line(node.usable, "Node", node.usable ? node.version : `${node.version}; ${node.needed} is needed`),
    line(true, "CPU", `${cpu.model}, ${cpu.threads} ${cpu.threads === 1 ? "thread" : "threads"}${instructions}`),
    line(true, "memory", `${gigabytes(memory.totalBytes)}, ${gigabytes(memory.freeBytes)} free`),
    line(true, "disk", temporary.freeBytes === undefined ? `${temporary.folder}: free space unknown` : `${gigabytes(temporary.freeBytes)} free in ${temporary.folder}, where a large tower's weights lie while it is open`),
    ...found("images", images, (facts) => `sharp ${facts.sharp} with libvips ${facts.libvips}: ${facts.formats.join(", ")}`),
    ...found("llama.cpp", decoder, (facts) => `${facts.release} from ${facts.packages.join(", ")}: ${facts.backends.join(", ")}${facts.gpu ? "; layers can go to a GPU" : ""}`),
    ...found("mini", mini, ({ folder }) => folder),
    ...found("onnxruntime", runtime, (facts) => facts.version),
    "",
    `Devices of the vision tower; "auto" takes ${auto}`,
    ...Object.entries(devices).flatMap(([name, finding]) => found(name, finding, (facts) => deviceText(facts, name === "cpu" ? undefined : devices.cpu))),
    "",
    ok ? "Everything that the CPU needs is there." : "Something that the CPU needs is missing: see the lines that say no.",
  ];
  return `${lines.join("\n")}\n`;
}

function deviceText({ gflops, float16, nodes, onDevice }: DeviceFacts, cpu: Finding<DeviceFacts> | undefined): string {
  const speed = `${gflops >= 10 ? Math.round(gflops) : gflops.toPrecision(2)} GFLOP/s in float32`;
  if (!cpu) return speed;
  const slower = cpu.usable && gflops < cpu.gflops ? "; slower than the CPU: perhaps a driver that computes on it" : "";
  return `${speed}, ${float16 ? "float16 too" : "no float16"}${onDevice < nodes ? `; ${nodes - onDevice} of ${nodes} nodes ran elsewhere` : ""}${slower}`;
}

function found<Facts>(name: string, finding: Finding<Facts>, describe: (facts: Facts) => string): string[] {
  if (finding.usable) return [line(true, name, describe(finding))];
  return [line(false, name, finding.reason), ...(finding.command === undefined ? [] : [`${" ".repeat(nameWidth + 5)}to enable it: ${finding.command}`])];
}

const nameWidth = 12;

function line(usable: boolean, name: string, text: string): string {
  return `${usable ? "ok" : "no"}  ${name.padEnd(nameWidth)} ${text}`;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GB`;
}
