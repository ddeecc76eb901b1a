import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { declineTelemetry } from "../src/telemetry.js";

const library = fileURLToPath(new URL("../dist/index.js", import.meta.url));
const runOnce = `
  import { Graph, openSession, scale } from ${JSON.stringify(library)};
  const graph = new Graph();
  graph.output("y", scale(graph.input("x", "float32", [1]), 2));
  const session = await openSession(graph, { device: "cpu" });
  console.log((await session.run({ x: { dtype: "float32", shape: [1], data: Float32Array.of(4) } })).y.data[0], process.env.ORT_DISABLE_TELEMETRY);
  await session[Symbol.asyncDispose]();
`;

async function leftBehind(): Promise<{ printed: string; files: string[] }> {
  const folder = await mkdtemp(path.join(tmpdir(), "telemetry-"));
  const { ORT_DISABLE_TELEMETRY: _, ...env } = process.env;
  // ONNX Runtime keeps its peace in CI by itself.
  for (const name of ["CI", "TF_BUILD", "GITHUB_ACTIONS"]) delete env[name];
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", runOnce], {
    env: { ...env, HOME: folder, XDG_CACHE_HOME: folder, TMPDIR: folder },
    encoding: "utf8",
  });
  const files = await readdir(folder, { recursive: true });
  await rm(folder, { recursive: true });
  return { printed: stdout.trim(), files };
}

it("a session leaves no trace of ONNX Runtime's telemetry", async () => {
  expect(await leftBehind()).toEqual({ printed: "8 1", files: [] });
});

it("leaves the choice to who sets the variable", () => {
  const before = process.env["ORT_DISABLE_TELEMETRY"];
  process.env["ORT_DISABLE_TELEMETRY"] = "0";
  declineTelemetry();
  expect(process.env["ORT_DISABLE_TELEMETRY"]).toBe("0");
  delete process.env["ORT_DISABLE_TELEMETRY"];
  declineTelemetry();
  expect(process.env["ORT_DISABLE_TELEMETRY"]).toBe("1");
  if (before !== undefined) process.env["ORT_DISABLE_TELEMETRY"] = before;
});
