import type { PullModel, RunningServer } from "@sightline/server";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { startServer } from "@sightline/server";
import { ModelPool } from "../src/models/model-pool.js";
import { parseServerOptions } from "../src/server-options.js";
import { until } from "./metrics-of.js";
import { aboutScene, answer, events, miniServer, post, type ModelList } from "./mini-server.js";

const statuses = async ({ url }: RunningServer): Promise<Record<string, string>> =>
  Object.fromEntries(((await (await fetch(`${url}/v1/models`)).json()) as ModelList).data.map(({ id, status }) => [id, status]));

describe("models of a server", () => {
  it("are loaded when they are asked for, the first at once; the health says when", async () => {
    await using server = await startServer({ port: 0, models: [{ name: "first", path: "mini" }, { name: "second", path: "mini" }], siglip: [{ name: "siglip", path: "mini" }] });
    const early = await fetch(`${server.url}/health`);
    expect([early.status, await early.json()]).toEqual([503, { status: "loading" }]);
    // A request does not wait for the health.
    const asked = post(server, "/v1/chat/completions", { messages: [aboutScene()] });
    await server.ready;
    const late = await fetch(`${server.url}/health`);
    expect([late.status, await late.json()]).toEqual([200, { status: "ok" }]);
    expect((await asked).json.model).toBe("first");
    expect(await statuses(server)).toEqual({ first: "loaded", second: "available", siglip: "available" });
    const both = await Promise.all([0, 1, 2].map(() => post(server, "/v1/chat/completions", { model: "second", messages: [aboutScene()] })));
    expect(both.map(({ json }) => [json.model, json.choices[0].message.content])).toEqual(Array.from({ length: 3 }, () => ["second", answer]));
    expect(await statuses(server)).toEqual({ first: "loaded", second: "loaded", siglip: "available" });
  });

  it("are unloaded when nobody has used them for a while, and come back", async () => {
    await using server = await miniServer({ siglip: [], idleUnloadSeconds: 0.5 });
    expect(await statuses(server)).toEqual({ mini: "loaded" });
    await until(async () => (await statuses(server))["mini"] === "available", 10_000);
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    expect((await post(server, "/v1/chat/completions", { messages: [aboutScene()] })).json.choices[0].message.content).toBe(answer);
  });

  it("stay loaded while an answer is under way", async () => {
    await using server = await miniServer({ siglip: [], idleUnloadSeconds: 0.05 });
    const all = await events(server, "/v1/chat/completions", { messages: [aboutScene()], stream: true, max_tokens: 2500, ignore_eos: true });
    expect(JSON.parse(all.at(-2)?.data as string).choices[0].finish_reason).toBe("length");
  });

  it("make room for each other where memory is short (what is free is told by the test)", async () => {
    const settings = parseServerOptions({ models: [{ name: "a", path: "mini" }], limits: { freeMemoryBytes: 1000 } });
    let available = 10 ** 9;
    const pool = new ModelPool(settings, pino({ level: "silent" }), { availableMemory: () => available });
    const [a, b] = [await pool.addChat({ name: "a", path: "mini" }), await pool.addChat({ name: "b", path: "mini" })];
    await pool.preload(a);
    await pool.preload(b);
    expect([a.model.status, b.model.status]).toEqual(["loaded", "loaded"]);
    // One that is in use is not taken.
    const lease = await a.model.lease();
    available = 10;
    await pool.unloadIdle();
    expect([a.model.status, b.model.status]).toEqual(["loaded", "available"]);
    expect((await lease.model.stream({ messages: [{ role: "user", content: "Hello" }], maxTokens: 2 }).result).text).not.toBe("");
    lease[Symbol.dispose]();
    // Loading one that does not fit unloads the others first, and is tried all the same.
    await pool.preload(b);
    expect([a.model.status, b.model.status]).toEqual(["available", "loaded"]);
    await pool.close();
  });

  it("that cannot be loaded say so, and are tried again", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "model-"));
    try {
      const mini = fileURLToPath(new URL("../../../models/mini/", import.meta.url));
      for (const file of ["mini-qwen3.gguf", "mmproj-mini.gguf"]) await cp(path.join(mini, file), path.join(folder, file));
      await using server = await miniServer({ models: [{ name: "mini", path: "mini" }, { name: "other", path: folder }], siglip: [] });
      await rm(path.join(folder, "mini-qwen3.gguf"));
      const { status, json } = await post(server, "/v1/chat/completions", { model: "other", messages: [aboutScene()] });
      expect([status, json.error.code]).toEqual([503, "model_load_failed"]);
      expect(JSON.stringify(json)).not.toContain(folder);
      await cp(path.join(mini, "mini-qwen3.gguf"), path.join(folder, "mini-qwen3.gguf"));
      expect((await post(server, "/v1/chat/completions", { model: "other", messages: [aboutScene()] })).json.choices[0].message.content).toBe(answer);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("pulling a model", () => {
  const data = (all: readonly { readonly data: string }[]) => all.map((event) => (event.data === "[DONE]" ? event.data : JSON.parse(event.data)));

  it("tells how far it is, and serves it", async () => {
    let go: () => void = () => {};
    const gate = new Promise<void>((resolve) => (go = resolve));
    const pullModel: PullModel = async (model, { onProgress }) => {
      onProgress({ status: "downloading", file: "model.gguf", loadedBytes: 1, totalBytes: 2 });
      await gate;
      return { name: model, path: "mini" };
    };
    await using server = await miniServer({ siglip: [], pullModel, pullableModels: [{ name: "hub/new", kind: "chat" }, { name: "hub/other", kind: "chat" }] });
    expect(await statuses(server)).toEqual({ mini: "loaded", "hub/new": "available", "hub/other": "available" });
    const pulling = events(server, "/v1/models/pull", { model: "hub/new" });
    await until(async () => (await statuses(server))["hub/new"] === "downloading");
    const twice = await post(server, "/v1/models/pull", { model: "hub/new" });
    expect([twice.status, twice.json.error.code]).toEqual([409, "pull_under_way"]);
    go();
    const all = data(await pulling);
    expect(all[0]).toEqual({ status: "downloading", file: "model.gguf", loaded: 1, total: 2 });
    expect(all.slice(-2)).toEqual([{ status: "success", model: expect.objectContaining({ id: "hub/new", kind: "chat", status: "loaded" }) }, "[DONE]"]);
    expect((await post(server, "/v1/chat/completions", { model: "hub/new", messages: [aboutScene()] })).json.choices[0].message.content).toBe(answer);
    expect(await statuses(server)).toEqual({ mini: "loaded", "hub/new": "loaded", "hub/other": "available" });
  });

  it("loads one that is served already", async () => {
    await using server = await miniServer();
    expect(data(await events(server, "/v1/models/pull", { model: "mini-siglip" })).slice(-2)).toEqual([{ status: "success", model: expect.objectContaining({ id: "mini-siglip", status: "loaded" }) }, "[DONE]"]);
  });

  it("that fails says so, and may be tried again; a client that leaves ends it", async () => {
    let aborted = 0;
    const pullModel: PullModel = async (model, { signal, onProgress }) => {
      if (model === "broken") throw new Error("secret host name");
      onProgress({ status: "downloading" });
      return new Promise((_, reject) => signal.addEventListener("abort", () => (aborted++, reject(signal.reason as Error))));
    };
    await using server = await miniServer({ siglip: [], pullModel });
    for (let i = 0; i < 2; i++) {
      const { status, json } = await post(server, "/v1/models/pull", { model: "broken" });
      expect([status, json.error.code]).toEqual([500, "internal_error"]);
      expect(JSON.stringify(json)).not.toContain("secret");
    }
    const response = await fetch(`${server.url}/v1/models/pull`, { method: "POST", headers: { "content-type": "application/json" }, body: '{"model":"slow"}' });
    await response.body?.cancel();
    await until(() => aborted === 1);
    await until(async () => !("slow" in (await statuses(server))));
  });
});
