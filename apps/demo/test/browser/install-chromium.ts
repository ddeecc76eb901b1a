import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** Vitest's global setup: where Debian's packages may be installed without asking, the page's tests get their browser. */
export default function installChromium(): void {
  if (process.env["SIGHTLINE_CHROMIUM"] !== undefined || existsSync("/usr/bin/chromium")) return;
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) return;
  console.warn("Installing Debian's chromium, in which the demo's page is tested…");
  const install = (...words: string[]): number | null => spawnSync("apt-get", ["-qq", "-o", "DPkg::Lock::Timeout=120", ...words], { stdio: ["ignore", "ignore", "inherit"], timeout: 300_000, env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } }).status;
  if (install("update") !== 0 || install("install", "-y", "--no-install-recommends", "chromium") !== 0) console.warn("It could not be installed.");
}
