import { execFile } from "node:child_process";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { openSafetensors } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasMpi, mpirun } from "../../../contrastive/test/collectives/mpirun.js";
import type { FinetuneSettings } from "../../src/index.js";
import { finish, run, start } from "../command.js";
import { tinyRun } from "./tiny-run.js";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

let folder: string;
let settings: FinetuneSettings;
beforeAll(async () => void ({ folder, settings } = await tinyRun()));
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Writes a configuration beside the pairs, and gives its path. */
async function configFile(name: string, changes: Partial<FinetuneSettings> = {}): Promise<string> {
  const file = path.join(folder, `${name}.json`);
  await writeFile(file, JSON.stringify({ ...settings, out: name, ...changes }));
  return file;
}

async function weightsOf(name: string): Promise<Float32Array> {
  await using file = await openSafetensors(path.join(folder, name, "model", "model.safetensors"));
  const parts = await Promise.all([...file.tensors.keys()].sort().map((tensor) => file.readFloat32(tensor)));
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

const shared = (ranks: number, ...args: readonly string[]): ReturnType<typeof mpirun> => mpirun(ranks, main, "finetune", "--distributed", "mpi", ...args);

describe("sightline finetune", () => {
  it("trains from a configuration, and says where the results are", async () => {
    const { code, stdout, stderr } = await run(["finetune", "--config", await configFile("plain"), "--json"]);
    expect(code).toBe(0);
    const result = JSON.parse(stdout) as { steps: number; pairs: number; loss: number; results: { path: string }[] };
    expect(result).toMatchObject({ steps: 6, pairs: 24 });
    expect(result.loss).toBeGreaterThan(0);
    expect(await readdir(result.results[0]?.path as string)).toContain("model.safetensors");
    expect(stderr).toMatch(/^10 pairs, 10 held out; .* parameters trained\n/);
    expect(stderr).toMatch(/step 6: imageToText\.r1 \d+\.\d %/);
  });

  it("goes on after kill -9 with the very bytes of a run that was not killed", async () => {
    const child = start("finetune", "--config", await configFile("killed", { steps: 120, checkpoints: { everySteps: 5 }, evaluate: { everySteps: 120 } }));
    const ended = finish(child);
    const checkpoints = path.join(folder, "killed", "checkpoints");
    while ((await readdir(checkpoints).catch(() => [])).filter((name) => name.endsWith(".safetensors")).length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill("SIGKILL");
    await ended;
    expect(await readdir(path.join(folder, "killed"))).not.toContain("model");
    const resumed = await run(["finetune", "--resume", path.join(folder, "killed"), "--json"]);
    expect(resumed.code).toBe(0);
    const whole = await run(["finetune", "--config", await configFile("unkilled", { steps: 120, checkpoints: { everySteps: 60 }, evaluate: { everySteps: 120 } })]);
    expect(whole.code).toBe(0);
    const bytes = (name: string): Promise<Buffer> => readFile(path.join(folder, name, "model", "model.safetensors"));
    expect((await bytes("killed")).equals(await bytes("unkilled"))).toBe(true);
  });

  it("keeps the last whole checkpoint when the disk is full, and says so in one line", async () => {
    // A limit on file size fails a save as a full disk does; the checkpoints of this run need more.
    const file = await configFile("full", { checkpoints: { everySteps: 2 } });
    const first = await run(["finetune", "--config", await configFile("full", { steps: 2, checkpoints: { everySteps: 2 }, export: [] })]);
    expect(first.code).toBe(0);
    const kept = await readFile(path.join(folder, "full", "checkpoints", "step-00000002.safetensors"));
    await writeFile(file, JSON.stringify({ ...settings, out: "full2", checkpoints: { everySteps: 2 } }));
    const limited = await new Promise<{ readonly code: number; readonly stderr: string }>((resolve) => {
      const command = `trap '' XFSZ; ulimit -f 100; exec "${process.execPath}" "${main}" finetune --config "${file}"`;
      execFile("bash", ["-c", command], { timeout: 60_000 }, (error, _stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stderr }));
    });
    expect(limited.code).toBe(1);
    expect(limited.stderr.trim().split("\n").at(-1)).toMatch(/^sightline: .*step-00000002\.safetensors.*(EFBIG|too large)/);
    expect(await readdir(path.join(folder, "full2", "checkpoints"))).toEqual([]);
    expect(await readFile(path.join(folder, "full", "checkpoints", "step-00000002.safetensors"))).toEqual(kept);
  });

  it("says what is wrong in one line, with the exit code of usage or failure", async () => {
    expect(await run(["finetune"])).toMatchObject({ code: 2, stderr: "sightline: finetune: expected --config FILE, or --resume FOLDER of a run that was begun\n" });
    const wrong = await run(["finetune", "--config", await configFile("wrong", { stpes: 3 } as never)]);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(/unknown key "stpes"; did you mean "steps"\?\n$/);
  });
});

describe.runIf(hasMpi())("sightline finetune --distributed mpi", () => {
  it("gives the weights of one process, whatever the number of processes, uneven parts included", async () => {
    const changes = { batchSize: 7, chunk: 2, steps: 4, optimizer: { learningRate: 1e-3 } };
    expect((await run(["finetune", "--config", await configFile("one", changes)])).code).toBe(0);
    const expected = await weightsOf("one");
    for (const ranks of [2, 3]) {
      const { code, stdout, stderr } = await shared(ranks, "--config", await configFile(`ranks-${ranks}`, changes), "--json");
      expect(code, stderr).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ steps: 4 });
      const difference = (await weightsOf(`ranks-${ranks}`)).reduce((most, value, i) => Math.max(most, Math.abs(value - (expected[i] as number))), 0);
      // Adam divides by the size of a gradient, so gradients near 0 may turn in their last digits.
      expect(difference).toBeLessThan(2e-4);
    }
  });

  it("a process that fails ends the job with its name", async () => {
    const { code, stderr } = await shared(2, "--config", await configFile("shared-softmax", { loss: "softmax" }));
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/sightline: rank [01] of 2: finetune: the softmax loss needs every text on every process/);
  });
});
