import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { add, Graph, matmul, openSession, softmax, type Session, type SessionOptions } from "../src/index.js";
import { readPlacement } from "../src/placement.js";

function open(options: SessionOptions): Promise<Session> {
  const graph = new Graph();
  const x = graph.input("x", "float32", [2, 2]);
  graph.output("y", softmax(add(matmul(x, x), x)));
  return openSession(graph, { device: "cpu", threads: 1, ...options });
}

const feeds = { x: { dtype: "float32", shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) } } as const;

describe("Session.placement", () => {
  it("counts each node once, however often it ran, and leaves no file behind", async () => {
    const before = process.env["TMPDIR"];
    const folder = await mkdtemp(path.join(tmpdir(), "placement-"));
    process.env["TMPDIR"] = folder;
    try {
      await using session = await open({ placement: true });
      await Promise.all([session.run(feeds), session.run(feeds)]);
      const placement = await session.placement();
      // ONNX Runtime makes one Gemm of the product and the sum.
      expect(placement).toEqual({ device: "cpu", nodes: 2, onDevice: 2, fallback: {}, copies: 0 });
      expect(await session.placement()).toBe(placement);
      expect((await session.run(feeds))["y"]?.shape).toEqual([2, 2]);
    } finally {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
    }
    expect(await readdir(folder)).toEqual([]);
    await rm(folder, { recursive: true });
  });

  it("is an error of its own in a session that was not told to watch, has not run, or is disposed", async () => {
    await using unwatched = await open({});
    await expect(unwatched.placement()).rejects.toThrow("open it with { placement: true }");
    await using unrun = await open({ placement: true });
    await expect(unrun.placement()).rejects.toThrow("no node has run yet");
    const disposed = await open({ placement: true });
    await disposed[Symbol.asyncDispose]();
    await expect(disposed.placement()).rejects.toThrow("the session is disposed");
    await expect(open({ placement: true, profilePrefix: path.join(tmpdir(), "p") })).rejects.toThrow("got both");
  });
});

describe("readPlacement", () => {
  const ran = (name: string, op: string, provider: string): object => ({ cat: "Node", name: `${name}_kernel_time`, args: { op_name: op, provider: `${provider}ExecutionProvider` } });

  it("tells nodes on the device from those on the CPU and from copies", () => {
    const events = [
      { cat: "Session", name: "model_run", args: {} },
      ran("0 Gemm", "Gemm", "CUDA"),
      ran("1 Loop", "Loop", "CPU"),
      ran("2 Loop", "Loop", "CPU"),
      ran("copy", "MemcpyToHost", "CUDA"),
      ran("0 Gemm", "Gemm", "CUDA"),
    ];
    expect(readPlacement(JSON.stringify(events), "cuda")).toEqual({ device: "cuda", nodes: 3, onDevice: 1, fallback: { Loop: 2 }, copies: 1 });
    // What TensorRT leaves to CUDA is not on the CPU.
    expect(readPlacement(JSON.stringify(events), "tensorrt")).toEqual({ device: "tensorrt", nodes: 3, onDevice: 0, fallback: { Loop: 2 }, copies: 1 });
  });
});
