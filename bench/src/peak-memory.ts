import { readFileSync } from "node:fs";

/** The most memory that this process has had resident, bytes. */
export function peakResidentBytes(): number {
  try {
    const match = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"));
    if (match) return Number(match[1]) * 1024;
  } catch {
    // Only Linux has it; elsewhere getrusage gives the same figure.
  }
  return process.resourceUsage().maxRSS * 1024;
}
