import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { hubModels, startServer } from "@sightline/server";
import { afterEach, expect, it, vi } from "vitest";
import { FakeHub } from "../../hub/test/fake-hub.js";
import { events, post, sceneUrl, type ModelList } from "./mini-server.js";

const miniSiglip = fileURLToPath(new URL("../../../models/mini/siglip", import.meta.url));
afterEach(() => vi.unstubAllEnvs());

it("clients have a known model fetched and use it; nothing else of the hub (a hub on loopback with mini's towers)", async () => {
  const home = await mkdtemp(path.join(tmpdir(), "hub-models-"));
  await using hub = await FakeHub.start();
  const files = await Promise.all((await readdir(miniSiglip)).map(async (name) => [name, await readFile(path.join(miniSiglip, name))] as const));
  hub.commit("google/siglip-base-patch16-224", Object.fromEntries(files));
  hub.commit("somebody/anything", { "config.json": "{}" });
  vi.stubEnv("HF_ENDPOINT", hub.url);
  vi.stubEnv("HF_HOME", home);
  vi.stubEnv("HF_HUB_CACHE", undefined);
  try {
    await using server = await startServer({ port: 0, models: [{ name: "mini", path: "mini" }], ...(await hubModels()) });
    const listed = async (): Promise<ModelList["data"]> => ((await (await fetch(`${server.url}/v1/models`)).json()) as ModelList).data;
    expect((await listed()).find(({ id }) => id === "siglip-base-patch16-224")).toMatchObject({ status: "available", kind: "siglip", download_bytes: expect.any(Number) as number });
    // DINOv2 compares no texts, and there is no endpoint for it.
    expect((await listed()).some(({ id }) => id.startsWith("dinov2"))).toBe(false);

    const told = (await events(server, "/v1/models/pull", { model: "siglip-base-patch16-224" })).map(({ data }) => data);
    expect(told.at(-1)).toBe("[DONE]");
    expect(JSON.parse(told.at(-2) as string)).toMatchObject({ status: "success" });
    expect((await listed()).find(({ id }) => id === "siglip-base-patch16-224")).toMatchObject({ kind: "siglip", status: "loaded" });
    const { json } = await post(server, "/v1/tag", { model: "siglip-base-patch16-224", image: sceneUrl, labels: ["hamburger", "cat"] });
    expect(json.tags[0]).toMatchObject({ label: "hamburger" });

    const refused = await post(server, "/v1/models/pull", { model: "somebody/anything" });
    expect([refused.status, refused.json.error.code]).toEqual([404, "model_not_found"]);
    expect(hub.seen.some(({ path: asked }) => asked.includes("somebody"))).toBe(false);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});
