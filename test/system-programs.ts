import { execFileSync, spawnSync } from "node:child_process";

/** Programs that some tests try Sightline with, and the Debian packages that bring them. */
const programs: Readonly<Record<string, string>> = {
  chromium: "chromium fonts-dejavu-core",
  mpirun: "openmpi-bin libopenmpi-dev",
  nginx: "nginx-light",
  "redis-server": "redis-server",
};

/**
 * Vitest's global setup. Where it may, which is as root on Debian or Ubuntu, it installs what is missing, so that no test is
 * skipped; elsewhere, and with SIGHTLINE_TEST_INSTALL=0, it says what will be skipped and how to get it.
 */
export default function installPrograms(): void {
  const missing = Object.keys(programs).filter((name) => spawnSync("sh", ["-c", `command -v ${name}`]).status !== 0);
  if (missing.length === 0) return;
  const packages = missing.flatMap((name) => (programs[name] as string).split(" "));
  if (mayInstall()) {
    process.stderr.write(`Tests: installing ${packages.join(", ")} (SIGHTLINE_TEST_INSTALL=0 leaves the system alone)\n`);
    try {
      const options = { stdio: ["ignore", "ignore", "inherit"] as const, env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
      execFileSync("apt-get", ["update", "-qq"], { ...options, stdio: [...options.stdio] });
      execFileSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], { ...options, stdio: [...options.stdio] });
      return;
    } catch (error) {
      process.stderr.write(`Tests: apt-get failed: ${(error as Error).message}\n`);
    }
  }
  process.stderr.write(`\n*** SKIPPED for want of ${missing.join(", ")}: the tests that need them. To run them: apt-get install ${packages.join(" ")}\n\n`);
}

function mayInstall(): boolean {
  return process.platform === "linux" && process.getuid?.() === 0 && process.env["SIGHTLINE_TEST_INSTALL"] !== "0" && spawnSync("sh", ["-c", "command -v apt-get"]).status === 0;
}
