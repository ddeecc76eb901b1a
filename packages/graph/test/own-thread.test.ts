import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
// By its name and not from src: the thread runs the built file.
import { Graph, GraphError, linear, openSession, type Session, type Tensor } from "@sightline/graph";
import { describe, expect, it } from "vitest";

const size = 512;

/** `depth` products with one square matrix, which takes a while. */
function longGraph(depth: number): Graph {
  const graph = new Graph();
  const weight = graph.weight("w", "float32", [size, size], Float32Array.from({ length: size * size }, (_, i) => ((i * 7) % 13) / size / 6));
  let x: Tensor = graph.input("x", "float32", ["B", size]);
  for (let i = 0; i < depth; i++) x = linear(x, weight);
  graph.output("y", x);
  return graph;
}

function rows(batch: number): { dtype: "float32"; shape: number[]; data: Float32Array } {
  return { dtype: "float32", shape: [batch, size], data: Float32Array.from({ length: batch * size }, (_, i) => (i % 5) / 5) };
}

function open(depth: number, ownThread = true): Promise<Session> {
  return openSession(longGraph(depth), { device: "cpu", threads: 1, ownThread });
}

describe("a session in a thread of its own", () => {
  it("takes second place beside other threads where it was told to, with all its threads", async () => {
    if (process.platform !== "linux") return console.log("skipped: priorities of threads are Linux's");
    const nices = (): number[] => readdirSync("/proc/self/task").map((id) => Number(readFileSync(`/proc/self/task/${id}/stat`, "utf8").replace(/^.*\) /, "").split(" ")[16]));
    const before = nices().filter((nice) => nice === 5).length;
    await using session = await openSession(longGraph(1), { device: "cpu", threads: 2, ownThread: true, givesWay: true });
    await session.run({ x: rows(1) });
    // The thread itself and ONNX Runtime's second one; V8's helpers come on top.
    expect(nices().filter((nice) => nice === 5).length - before).toBeGreaterThanOrEqual(2);
    expect(Number(readFileSync("/proc/thread-self/stat", "utf8").replace(/^.*\) /, "").split(" ")[16])).toBe(0);
  });

  it("gives what it gives in the caller's thread, and leaves the inputs as they are", async () => {
    await using here = await open(3, false);
    await using there = await open(3);
    const x = rows(4);
    const before = x.data.slice();
    const want = (await here.run({ x }))["y"];
    const got = (await there.run({ x }))["y"];
    expect(got?.shape).toEqual([4, size]);
    expect(got?.data).toEqual(want?.data);
    expect(x.data).toEqual(before);
    const view = { ...x, shape: [1, size], data: x.data.subarray(size, 2 * size) };
    expect((await there.run({ x: view }))["y"]?.data).toEqual(want?.data.slice(size, 2 * size));
  });

  it("writes into the buffers that it is given", async () => {
    await using session = await open(1);
    const y = { ...rows(2), data: new Float32Array(2 * size) };
    const result = await session.run({ x: rows(2) }, { y });
    expect(result["y"]?.data).toBe(y.data);
    expect(y.data.some((value) => value !== 0)).toBe(true);
  });

  it("lets the caller's thread go on during a run", async () => {
    await using session = await open(60);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const started = performance.now();
    await session.run({ x: rows(512) });
    const ms = performance.now() - started;
    clearInterval(timer);
    expect(ms).toBeGreaterThan(20);
    expect(ticks).toBeGreaterThan(5);
  });

  it("answers runs that overlap each with its own result", async () => {
    await using session = await open(2);
    const results = await Promise.all([1, 2, 3].map((batch) => session.run({ x: rows(batch) })));
    const alone = results.map(({ y }) => y?.data);
    expect(alone.map((data) => data?.length)).toEqual([size, 2 * size, 3 * size]);
    expect(alone[2]?.slice(0, size)).toEqual(alone[0]);
  });

  it("says what is wrong with a graph that cannot be opened, and ends its thread", async () => {
    const graph = new Graph();
    graph.output("y", graph.node("NoSuchOperator", [graph.input("x", "float32", [1])], [{ shape: [1] }])[0] as Tensor);
    const failure = openSession(graph, { device: "cpu", ownThread: true });
    await expect(failure).rejects.toThrow(GraphError);
    await expect(failure).rejects.toThrow(/NoSuchOperator/);
  });

  it("is disposed after the run under way, and refuses later ones", async () => {
    const session = await open(20);
    const running = session.run({ x: rows(64) });
    await Promise.all([session[Symbol.asyncDispose](), session[Symbol.asyncDispose]()]);
    expect((await running)["y"]?.shape).toEqual([64, size]);
    await expect(session.run({ x: rows(1) })).rejects.toThrow("the session is disposed");
  });

  it.each([
    ["ends with the program, idle", "", 0],
    ["ends with the program, busy", "void session.run({ x }); setTimeout(() => process.exit(7), 40);", 7],
  ])("%s", (_, ending, status) => {
    const program = `
      import { Graph, linear, openSession } from "@sightline/graph";
      const graph = new Graph();
      const weight = graph.weight("w", "float32", [512, 512], new Float32Array(512 * 512).fill(1e-3));
      let y = graph.input("x", "float32", ["B", 512]);
      for (let i = 0; i < 100; i++) y = linear(y, weight);
      graph.output("y", y);
      const session = await openSession(graph, { device: "cpu", threads: 1, ownThread: true });
      const x = { dtype: "float32", shape: [512, 512], data: new Float32Array(512 * 512) };
      ${ending}`;
    const cwd = fileURLToPath(new URL("..", import.meta.url));
    const child = spawnSync(process.execPath, ["--input-type=module", "-e", program], { cwd, encoding: "utf8", timeout: 30_000 });
    expect([child.stderr, child.status]).toEqual(["", status]);
  });
});
