import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { FakeHub } from "../../packages/hub/test/fake-hub.js";
import { writeParquet } from "./parquet-fixture.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const sightline = (words: readonly string[], env: Record<string, string>): Promise<{ stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, [path.join(root, "packages/sightline/bin/sightline.js"), ...words], { env: { ...process.env, ...env } });

it("--pull brings a task's data from the hub once, and says what to do without it (a hub on loopback, five questions)", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "pulled-data-"));
  await using hub = await FakeHub.start();
  try {
    const scene = await readFile(path.join(root, "examples/scene.png"));
    const five = Array.from({ length: 5 });
    const file = path.join(folder, "test-0.parquet");
    await writeParquet(file, { type: ["text", five.map(() => "human_test")], question: ["text", five.map(() => "How many hamburgers are there?")], answer: ["text", five.map(() => "one")], image: ["image", five.map((_, i) => ({ bytes: scene, path: `${i}.png` }))] });
    hub.commit("datasets/lmms-lab/ChartQA", { "data/test-00000-of-00001.parquet": await readFile(file), "README.md": "ChartQA" });
    const env = { HF_ENDPOINT: hub.url, HF_HOME: path.join(folder, "home"), HF_HUB_CACHE: "" };
    const words = ["eval", "chartqa", "--out", path.join(folder, "run"), "--data", path.join(folder, "none")];
    await expect(sightline(words, env)).rejects.toThrow(/fetch it with --pull, or with: hf download lmms-lab\/ChartQA/);

    const { stdout } = await sightline([...words, "--pull", "--json"], env);
    const { results } = JSON.parse(stdout) as { results: Record<string, unknown> };
    expect(Object.keys(results)).toContain("chartqa");
    const transfers = hub.transfers().length;
    await sightline(["eval", "chartqa", "--out", path.join(folder, "again"), "--data", path.join(folder, "none"), "--pull"], env);
    expect(hub.transfers().length).toBe(transfers);
    const samples = async (run: string): Promise<string> => readFile(path.join(folder, run, "samples_chartqa.jsonl"), "utf8");
    expect((await samples("run")).trim().split("\n")).toHaveLength(5);
    expect(await samples("again")).toBe(await samples("run"));
    await expect(sightline(["eval", "imagenet-zeroshot", "--out", path.join(folder, "run2"), "--data", path.join(folder, "none"), "--pull"], env)).rejects.toThrow(/--pull cannot bring its data; fetch it with: hf download ILSVRC/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
