import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const library = fileURLToPath(new URL("../dist/index.js", import.meta.url));
const runOnce = `
  import { Graph, openSession, scale } from ${JSON.stringify(library)};
  const graph = new Graph();
  graph.output("y", scale(graph.input("x", "float32", [1]), 2));
  const session = await openSession(graph, { device: "cpu" });
  console.log((await session.run({ x: { dtype: "float32", shape: [1], data: Float32Array.of(4) } })).y.data[0], process.env.ORT_DISABLE_TELEMETRY);
  await session[Symbol.asyncDispose]();
`;

async function leftBehind(setting: Readonly<Record<string, string>>): Promise<{ printed: string; files: string[] }> {
  const folder = await mkdtemp(path.join(tmpdir(), "telemetry-"));
  const { ORT_DISABLE_TELEMETRY: _, ...env } = process.env;
  // ONNX Runtime keeps its peace in CI by itself.
  for (const name of ["CI", "TF_BUILD", "GITHUB_ACTIONS"]) delete env[name];
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", runOnce], {
    env: { ...env, HOME: folder, XDG_CACHE_HOME: folder, TMPDIR: folder, ...setting },
    encoding: "utf8",
  });
  const files = await readdir(folder, { recursive: true });
  await rm(folder, { recursive: true });
  return { printed: stdout.trim(), files };
}

it("a session leaves no trace of ONNX Runtime's telemetry", async () => {
  expect(await leftBehind({})).toEqual({ printed: "8 1", files: [] });
});

it("leaves the choice to who sets the variable", async () => {
  expect((await leftBehind({ ORT_DISABLE_TELEMETRY: "1" })).printed).toBe("8 1");
});
