import { describe } from "vitest";
import { Graph, openSession, scale } from "../src/index.js";

/** Why WebGPU cannot be used here, if it cannot. */
async function missing(): Promise<string | undefined> {
  const graph = new Graph();
  graph.output("y", scale(graph.input("x", "float32", [1]), 2));
  try {
    await using session = await openSession(graph, { device: "webgpu", quiet: true });
    await session.run({ x: { dtype: "float32", shape: [1], data: Float32Array.of(1) } });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const reason = await missing();
if (reason !== undefined && process.env["SIGHTLINE_WEBGPU_TESTS"] === "required") throw new Error(`SIGHTLINE_WEBGPU_TESTS=required, but ${reason}`);
if (reason !== undefined) console.warn(`Tests of WebGPU are skipped: ${reason}. Without a GPU, tools/swiftshader.sh fetches a driver that needs none.`);

/** `describe` for tests that need a WebGPU adapter: skipped, with the reason printed, on a machine without one. */
export const describeWebgpu: typeof describe.skip = reason === undefined ? describe : describe.skip;
