import { mkdtemp, readdir, rm, truncate, writeFile, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { artSets, hasIcon, heldOutStyles, iconToSvg, readArtSet, resolveIcon, trainStyles, type IconifyJson } from "../src/art/art-sets.js";
import { colourName } from "../src/art/colour.js";
import { extraNames, nameAsText } from "../src/art/extra-names.js";
import { drawSprite, spriteChannels, spriteLevels, spriteSide, type Sprite } from "../src/art/sprite.js";
import { loadSprites } from "../src/art/sprites.js";
import { objectNamed, objectNames, objects, withArticle } from "../src/objects.js";

const halves = `<rect width="5" height="10" fill="#f00"/><rect x="5" width="5" height="10" fill="#00f"/>`;
const synthetic: IconifyJson = {
  width: 10,
  height: 10,
  icons: { flag: { body: halves }, wide: { body: halves, width: 20 } },
  aliases: {
    banner: { parent: "flag" },
    mirrored: { parent: "banner", hFlip: true },
    back: { parent: "mirrored", hFlip: true },
    turned: { parent: "flag", rotate: 1 },
    broad: { parent: "wide" },
    orphan: { parent: "nothing" },
    loop: { parent: "loop" },
  },
};

async function pixelOf(svg: string, x: number, y: number): Promise<number[]> {
  const { data, info } = await sharp(Buffer.from(svg)).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  const at = (y * info.width + x) * 4;
  return [...data.subarray(at, at + 3)];
}

describe("art sets", () => {
  it("follows an alias of an alias to its drawing and adds up flips", () => {
    expect(resolveIcon(synthetic, "banner")).toMatchObject({ body: halves, hFlip: false, width: 10 });
    expect(resolveIcon(synthetic, "mirrored").hFlip).toBe(true);
    expect(resolveIcon(synthetic, "back").hFlip).toBe(false);
    expect(resolveIcon(synthetic, "broad")).toMatchObject({ width: 20, height: 10 });
  });

  it("draws a flipped alias mirrored and a turned one a quarter turn clockwise", async () => {
    expect(await pixelOf(iconToSvg(synthetic, "flag", 20), 2, 10)).toEqual([255, 0, 0]);
    expect(await pixelOf(iconToSvg(synthetic, "mirrored", 20), 2, 10)).toEqual([0, 0, 255]);
    expect(await pixelOf(iconToSvg(synthetic, "turned", 20), 10, 2)).toEqual([255, 0, 0]);
    expect(await pixelOf(iconToSvg(synthetic, "turned", 20), 10, 17)).toEqual([0, 0, 255]);
  });

  it("names what is missing for an unknown name, a broken alias and a loop", () => {
    expect(() => resolveIcon(synthetic, "cat")).toThrow(/draws no "cat"/);
    expect(() => resolveIcon(synthetic, "orphan")).toThrow(/"nothing" \(alias of "orphan"\)/);
    expect(() => resolveIcon(synthetic, "loop")).toThrow(/"loop" leads to no drawing/);
    expect(() => resolveIcon(synthetic, "constructor")).toThrow(/draws no "constructor"/);
  });

  it("keeps openmoji and emojione out of the training styles", () => {
    expect(heldOutStyles).toEqual(["openmoji", "emojione"]);
    expect(trainStyles).toHaveLength(6);
    expect(trainStyles.filter((style) => heldOutStyles.includes(style))).toEqual([]);
  });

  it("states for each set the licence that its package states", async () => {
    for (const set of artSets) {
      const manifest = JSON.parse(await readFile(new URL(`../../../../node_modules/${set.packageName}/package.json`, import.meta.url), "utf8")) as { license: string };
      expect([set.style, set.licence]).toEqual([set.style, manifest.license]);
    }
  });

  it("lists only objects that both held-out sets and at least five training sets draw", async () => {
    const drawnBy = new Map(objectNames.map((name) => [name, [] as string[]]));
    for (const { style } of artSets) {
      const set = await readArtSet(style);
      for (const name of objectNames) if (hasIcon(set, name)) drawnBy.get(name)?.push(style);
    }
    const rare = [...drawnBy].filter(([, styles]) => heldOutStyles.some((style) => !styles.includes(style)) || styles.filter((style) => trainStyles.includes(style)).length < 5);
    expect(rare).toEqual([]);
  });
});

describe("object names", () => {
  it("are at least 100 single lower-case words, none twice, none shared by two objects", () => {
    expect(objects.length).toBeGreaterThanOrEqual(100);
    expect(objectNames.filter((name) => !/^[a-z]+$/.test(name))).toEqual([]);
    const words = objects.flatMap(({ name, plural }) => (name === plural ? [name] : [name, plural]));
    expect(new Set(words).size).toBe(words.length);
  });

  it("carry their article and plural", () => {
    expect(withArticle("owl")).toBe("an owl");
    expect(withArticle("unicorn")).toBe("a unicorn");
    expect(withArticle("scissors")).toBe("scissors");
    expect(objectNamed("mouse").plural).toBe("mice");
    expect(() => objectNamed("sofa")).toThrow(/got "sofa"/);
  });

  it("do not overlap with the extra names", () => {
    expect(extraNames.filter((name) => objectNames.includes(name))).toEqual([]);
    expect(nameAsText("t-shirt")).toBe("t shirt");
  });
});

describe("colour words", () => {
  it.each([
    [[255, 0, 0], "red"],
    [[255, 150, 0], "orange"],
    [[255, 230, 40], "yellow"],
    [[40, 160, 60], "green"],
    [[40, 90, 220], "blue"],
    [[130, 50, 190], "purple"],
    [[255, 150, 190], "pink"],
    [[120, 70, 40], "brown"],
    [[10, 10, 10], "black"],
    [[250, 250, 250], "white"],
    [[128, 128, 130], "gray"],
  ] as const)("calls %j %s", (rgb, word) => {
    expect(colourName(rgb[0], rgb[1], rgb[2])).toBe(word);
  });
});

describe("drawSprite", () => {
  const svg = (px: number): string =>
    `<svg xmlns="http://www.w3.org/2000/svg" width="${px}" height="${px}" viewBox="0 0 100 100"><rect x="30" y="40" width="40" height="20" fill="#ff0000"/></svg>`;

  it("trims to what is visible, centres it, and remembers how small the art set draws it", async () => {
    const { facts, data } = await drawSprite(svg, "test", "bar");
    expect(facts).toMatchObject({ name: "bar", style: "test", width: 1, colour: "red", colourShare: 1 });
    expect(facts.height).toBeCloseTo(0.5, 1);
    expect(facts.naturalScale).toBeCloseTo(0.4, 1);
    const [fine] = spriteLevels(data, spriteSide);
    const alphaAt = (x: number, y: number): number => fine?.data[(y * spriteSide + x) * spriteChannels + 3] ?? -1;
    expect(alphaAt(48, 48)).toBe(255);
    expect([alphaAt(6, 48), alphaAt(2, 48)]).toEqual([255, 0]);
    expect([alphaAt(48, 28), alphaAt(48, 22)]).toEqual([255, 0]);
  });

  it("gives levels that halve in side, premultiplied, with a ramp outside the drawing", async () => {
    const { data } = await drawSprite(svg, "test", "bar");
    const levels = spriteLevels(data, spriteSide);
    expect(levels.map((level) => level.side)).toEqual([96, 48, 24]);
    for (const { side, data: pixels } of levels) {
      for (let at = 0; at < side * side * spriteChannels; at += spriteChannels) {
        expect(pixels[at] as number).toBeLessThanOrEqual((pixels[at + 3] as number) + 1);
      }
    }
    const rampAt = (y: number): number => levels[0]?.data[(y * spriteSide + 48) * spriteChannels + 4] ?? -1;
    const outside = [25, 24, 23, 22, 21].map(rampAt);
    expect(outside.toSorted((a, b) => b - a)).toEqual(outside);
    expect(rampAt(48)).toBe(255);
    expect(rampAt(15)).toBe(0);
  });

  it("refuses an empty drawing by name", async () => {
    const empty = (px: number): string => `<svg xmlns="http://www.w3.org/2000/svg" width="${px}" height="${px}"/>`;
    await expect(drawSprite(empty, "test", "void")).rejects.toThrow(/"void" in test is empty/);
  });
});

describe("loadSprites", () => {
  let cacheDir: string;
  beforeAll(async () => {
    cacheDir = await mkdtemp(join(tmpdir(), "sightline-sprites-"));
  });
  afterAll(() => rm(cacheDir, { recursive: true }));

  it("draws once, loads the same from the cache, and resumes a cut-off cache", async () => {
    const drawn: number[] = [];
    const first = await loadSprites({ styles: ["twemoji"], names: ["cat", "bus"], cacheDir, onProgress: (event) => drawn.push(event.done) });
    expect(drawn.at(-1)).toBe(objectNames.length);
    expect(first.names("twemoji").sort()).toEqual(["bus", "cat"]);
    const again = await loadSprites({ styles: ["twemoji"], names: ["cat"], cacheDir, onProgress: () => expect.unreachable("the cache was not used") });
    const bytesOf = (sprite: Sprite): Buffer => Buffer.concat(sprite.levels.map((level) => level.data));
    expect(bytesOf(again.need("twemoji", "cat")).equals(bytesOf(first.need("twemoji", "cat")))).toBe(true);
    expect(() => again.need("twemoji", "bus")).toThrow(/"bus" in "twemoji"/);

    const [file] = await readdir(cacheDir);
    const whole = await readFile(join(cacheDir, file as string));
    // No process has this id on any of our platforms.
    const abandoned = join(cacheDir, `${file}.2147483646.partial`);
    await writeFile(abandoned, whole);
    await truncate(abandoned, Math.floor(whole.length * 0.9));
    await rm(join(cacheDir, file as string));
    const redrawn: number[] = [];
    await loadSprites({ styles: ["twemoji"], names: ["cat"], cacheDir, onProgress: (event) => redrawn.push(event.done) });
    expect(redrawn[0]).toBeGreaterThan(100);
    expect((await readFile(join(cacheDir, file as string))).equals(whole)).toBe(true);
    expect(await readdir(cacheDir)).toEqual([file]);
  });

  it("refuses a name that no list holds", async () => {
    await expect(loadSprites({ styles: ["twemoji"], names: ["sofa"], cacheDir })).rejects.toThrow(/got "sofa"/);
  });
});
