import { execFile, execFileSync } from "node:child_process";

/** Whether several processes can be started; in CI they must. */
export function hasMpi(): boolean {
  try {
    execFileSync("mpirun", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    if (process.env["CI"]) throw new Error("mpirun is missing; .ci/run installs it");
    console.warn("SKIPPED: the tests of several processes need mpirun (apt-get install openmpi-bin libopenmpi-dev)");
    return false;
  }
}

/** Runs a script of Node in several processes. */
export function mpirun(ranks: number, ...script: readonly string[]): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    const args = ["--allow-run-as-root", "--oversubscribe", "-n", String(ranks), process.execPath, ...script];
    execFile("mpirun", args, { timeout: 60_000 }, (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr }));
  });
}
