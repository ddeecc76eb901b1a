import type { RunningServer } from "@sightline/server";
import { loadSiglip } from "sightline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { miniServer, post, scene, sceneUrl } from "./mini-server.js";

let server: RunningServer;
beforeAll(async () => {
  server = await miniServer();
});
afterAll(() => server.close());

describe("tags", () => {
  it("are the library's, the likeliest first", async () => {
    await using siglip = await loadSiglip("mini");
    const labels = ["cat", "hamburger", "airplane"];
    const expected = await siglip.tag(scene, labels);
    const { status, json } = await post(server, "/v1/tag", { image: sceneUrl, labels });
    expect([status, json.model, json.none_of_the_above]).toEqual([200, "mini-siglip", false]);
    expect(json.tags.map(({ label }: { label: string }) => label)).toEqual(expected.tags.map(({ label }) => label));
    json.tags.forEach(({ probability }: { probability: number }, i: number) => expect(probability).toBeCloseTo(expected.tags[i]?.probability ?? Number.NaN, 5));
  });

  it("follow templates and the threshold", async () => {
    const of = async (more: object) => (await post(server, "/v1/tag", { model: "mini-siglip", image: { url: sceneUrl }, labels: ["hamburger"], ...more })).json;
    const [usual, other, mean] = [await of({}), await of({ template: "{label}" }), await of({ templates: ["a photo of {label}", "{label}"] })];
    expect(other.tags[0].probability).not.toBe(usual.tags[0].probability);
    expect(mean.tags[0].probability).not.toBe(usual.tags[0].probability);
    expect(usual.none_of_the_above).toBe(false);
    expect((await of({ threshold: 1 })).none_of_the_above).toBe(true);
  });

  it.each([
    ["no labels", { labels: [] }, "labels"],
    ["labels that are no texts", { labels: [1] }, "labels[0]"],
    ["more labels than allowed", { labels: Array.from({ length: 1001 }, (_, i) => `label ${i}`) }, "labels"],
    ["more labels times templates than allowed", { labels: Array.from({ length: 400 }, (_, i) => `label ${i}`), templates: ["{label}", "a {label}", "the {label}"] }, "labels"],
    ["a template without a place", { labels: ["a"], template: "a photo" }, "template"],
    ["a threshold above one", { labels: ["a"], threshold: 1.1 }, "threshold"],
    ["a chat model", { labels: ["a"], model: "mini" }, "model"],
    ["no image", { labels: ["a"], image: undefined }, "image"],
  ])("are refused with %s", async (_, more, param) => {
    const { status, json } = await post(server, "/v1/tag", { image: sceneUrl, ...more });
    expect([status, json.error.param]).toEqual([param === "model" ? 404 : 400, param]);
  });
});

describe("heatmaps", () => {
  it("are the library's, row by row from the top left, and the text's probability for the whole", async () => {
    await using siglip = await loadSiglip("mini");
    const [expected, tagged] = [await siglip.heatmap(scene, "hamburger"), await siglip.tag(scene, ["hamburger"], { template: "{label}" })];
    const { json } = await post(server, "/v1/heatmap", { image: sceneUrl, text: "hamburger" });
    expect([json.grid.rows, json.grid.columns, json.grid.values.length]).toEqual([8, 8, 64]);
    json.grid.values.forEach((value: number, i: number) => expect(value).toBeCloseTo(expected.scores[i] ?? Number.NaN, 5));
    expect(json.probability).toBeCloseTo(tagged.tags[0]?.probability ?? Number.NaN, 5);
    expect(json.probability).toBeGreaterThan(0.5);
  });

  it("are refused without a text", async () => {
    expect((await post(server, "/v1/heatmap", { image: sceneUrl, text: "  " })).json.error).toMatchObject({ param: "text" });
  });
});
