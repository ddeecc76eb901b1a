import { rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { loadSiglip } from "@sightline/vision-tower";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { golden, miniFolder, run, temporaryFolder } from "./command.js";

const scene = fileURLToPath(new URL("../../../examples/scene.png", import.meta.url));
const crabs = fileURLToPath(new URL("../../../examples/crabs.png", import.meta.url));

type Entry = { image: string; tags: { label: string; probability: number }[]; noneOfTheAbove: boolean };

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

describe("sightline tag", () => {
  it("finds what each of several pictures shows, from a file of labels", async () => {
    const file = path.join(folder, "labels.txt");
    await writeFile(file, "\ufeffhamburger\r\ncrab\n\nhamburger\n  bicycle  ");
    const { code, stdout, stderr } = await run(["tag", scene, crabs, "--labels-file", file, "--labels", "dog,crab", "--json"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const entries = JSON.parse(stdout) as Entry[];
    expect(entries.map(({ image }) => image)).toEqual([scene, crabs]);
    for (const { tags } of entries) expect(tags.map(({ label }) => label).sort()).toEqual(["bicycle", "crab", "dog", "hamburger"]);
    expect(entries.map(({ tags }) => tags[0]?.label)).toEqual(["hamburger", "crab"]);
  });

  it("goes on after an image that cannot be read, says so, and fails at the end", async () => {
    const broken = path.join(folder, "broken.jpg");
    await writeFile(broken, "no image");
    const { code, stdout, stderr } = await run(["tag", scene, broken, crabs, "--labels", "crab,hamburger", "--json"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^sightline: [^\n]*broken\.jpg[^\n]*\n$/);
    const entries = JSON.parse(stdout) as (Entry & { error?: string })[];
    expect(entries.map(({ image }) => image)).toEqual([scene, broken, crabs]);
    expect(entries[1]).toEqual({ image: broken, error: expect.stringContaining("broken.jpg") as string });
    expect(entries[2]?.tags[0]?.label).toBe("crab");
  });

  it("prints a picture that comes twice twice", async () => {
    const { stdout } = await run(["tag", crabs, crabs, "--labels", "crab"]);
    expect(stdout.match(/crabs\.png\n/g)).toHaveLength(2);
  });

  it("takes the mean over several templates", async () => {
    const template = ["a photo of {label}", "{label}"];
    const args = template.flatMap((one) => ["--template", one]);
    const { stdout } = await run(["tag", crabs, "--labels", "crab", "--json", ...args]);
    await using siglip = await loadSiglip(path.join(miniFolder, "siglip"));
    const expected = await siglip.tag(crabs, ["crab"], { template });
    expect((JSON.parse(stdout) as Entry[])[0]?.tags[0]?.probability).toBeCloseTo(expected.tags[0]?.probability as number, 6);
    expect((await siglip.tag(crabs, ["crab"], { template: "{label}" })).tags[0]?.probability).not.toBeCloseTo(expected.tags[0]?.probability as number, 6);
  });

  it.each([
    [["tag", scene]],
    [["tag", scene, "--labels", "a", "--template", "a photo"]],
  ])("leaves with 2: %j", async (args) => {
    expect(await run(args)).toMatchObject({ code: 2, stdout: "" });
  });

  it("says in one line that a file of labels is not there", async () => {
    const { code, stdout, stderr } = await run(["tag", scene, "--labels-file", path.join(folder, "nowhere.txt")]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^sightline: [^\n]*nowhere\.txt[^\n]*\n$/);
  });
});

describe("siglip.tag with mini", () => {
  it("takes 10,000 labels, one of 10,000 characters, emoji and right-to-left ones", async () => {
    await using siglip = await loadSiglip(path.join(miniFolder, "siglip"));
    const labels = ["hamburger", "🍔", "👩‍🚀", "המבורגר", "برجر", "x".repeat(10_000), ...Array.from({ length: 10_000 }, (_, i) => `thing ${i}`)];
    const { tags } = await siglip.tag(scene, labels);
    expect(tags).toHaveLength(labels.length);
    expect(tags.map(({ label }) => label).sort()).toEqual([...labels].sort());
    for (const { probability } of tags) expect(probability >= 0 && probability <= 1).toBe(true);
    const started = performance.now();
    const again = await siglip.tag(scene, labels);
    // The labels alone take seconds to encode.
    expect(performance.now() - started).toBeLessThan(1000);
    expect(again).toEqual({ tags, noneOfTheAbove: false });
  });

  it("gives every image of a batch what it gets alone, and embeddings likewise", async () => {
    await using siglip = await loadSiglip(path.join(miniFolder, "siglip"));
    const images = [scene, crabs, golden("photo.jpg")];
    const labels = ["crab", "hamburger", "dog"];
    const together = await siglip.tagImages(images, labels, { threshold: 0.9 });
    const { pooled } = await siglip.encodeImages(images);
    expect(await siglip.tagEmbeddings(pooled, labels, { threshold: 0.9 })).toEqual(together);
    for (const [i, image] of images.entries()) {
      const alone = await siglip.tag(image, labels, { threshold: 0.9 });
      expect(alone.noneOfTheAbove).toBe(together[i]?.noneOfTheAbove);
      alone.tags.forEach(({ label, probability }, rank) => {
        expect(together[i]?.tags[rank]?.label).toBe(label);
        expect(together[i]?.tags[rank]?.probability).toBeCloseTo(probability, 4);
      });
    }
    expect(await siglip.tagImages([], labels)).toEqual([]);
    await expect(siglip.tagEmbeddings(new Float32Array(3), labels)).rejects.toThrow("tagEmbeddings: expected embeddings to be rows of 256 values, got 3 values");
  });
});
