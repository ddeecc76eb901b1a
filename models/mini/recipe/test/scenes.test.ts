import { beforeAll, describe, expect, it } from "vitest";
import { heldOutStyles, trainStyles } from "../src/art/art-sets.js";
import type { Sprites } from "../src/art/sprites.js";
import { objectNames } from "../src/objects.js";
import { distanceFromBackground } from "../src/scenes/backgrounds.js";
import { boxAround, boxesOverlap, extents } from "../src/scenes/placement.js";
import { Random } from "../src/scenes/random.js";
import { sampleScene, sampleSingle, sampleTestScene, type SampleOptions, type SceneSpec } from "../src/scenes/scene.js";
import { testSprites } from "./shared-sprites.js";

let sprites: Sprites;
let options: SampleOptions;
beforeAll(async () => {
  sprites = await testSprites();
  options = { names: objectNames, styles: ["twemoji", "noto-v1"], sprites, augment: true };
});

function many(count: number, next: (index: number) => SceneSpec): SceneSpec[] {
  return Array.from({ length: count }, (_, index) => next(index));
}

describe("training samplers", () => {
  it("never draw a held-out style, and refuse to be asked for one", () => {
    const rng = Random.fromSeed(1);
    const scenes = [...many(300, () => sampleSingle(rng, options)), ...many(300, () => sampleScene(rng, options))];
    const styles = new Set(scenes.flatMap((scene) => scene.objects.map((object) => object.style)));
    expect([...styles].sort()).toEqual(["noto-v1", "twemoji"]);
    for (const heldOut of heldOutStyles) {
      const asked = { ...options, styles: [...trainStyles, heldOut] };
      expect(() => sampleSingle(rng, asked)).toThrow(`held-out style "${heldOut}"`);
      expect(() => sampleScene(rng, asked)).toThrow(`held-out style "${heldOut}"`);
    }
  });

  it("draw the same scene from the same seed and another from the next", () => {
    const scene = (seed: number): SceneSpec => sampleScene(Random.fromSeed(seed), options);
    expect(scene(5)).toEqual(scene(5));
    expect(scene(6)).not.toEqual(scene(5));
  });

  it("place one object, at most about an eighth of it cropped at a side", () => {
    const rng = Random.fromSeed(2);
    for (const { objects } of many(500, () => sampleSingle(rng, options))) {
      expect(objects).toHaveLength(1);
      const { left, right, top, bottom } = (objects[0] as SceneSpec["objects"][number]).bounds;
      const width = right - left;
      const height = bottom - top;
      if (width < 1.1) expect(Math.max(-left, right - 1)).toBeLessThan(0.13 * width);
      if (height < 1.1) expect(Math.max(-top, bottom - 1)).toBeLessThan(0.13 * height);
    }
  });

  it("draw one to three objects that keep apart inside the picture, repeats among them", () => {
    const rng = Random.fromSeed(3);
    const counts = [0, 0, 0, 0];
    let repeats = 0;
    for (const { objects } of many(600, () => sampleScene(rng, options))) {
      counts[objects.length] = (counts[objects.length] ?? 0) + 1;
      if (new Set(objects.map((object) => object.name)).size < objects.length) repeats++;
      objects.forEach((object, i) => {
        const { left, right, top, bottom } = object.bounds;
        if (objects.length > 1) {
          expect(Math.min(left, top)).toBeGreaterThan(-1e-9);
          expect(Math.max(right, bottom)).toBeLessThan(1 + 1e-9);
        }
        for (const other of objects.slice(i + 1)) expect(boxesOverlap(object.bounds, other.bounds, 0.05)).toBe(false);
      });
    }
    expect(counts[0]).toBe(0);
    for (const count of counts.slice(1)) expect(count).toBeGreaterThan(100);
    expect(repeats).toBeGreaterThan(60);
    expect(repeats).toBeLessThan(240);
  });
});

describe("test scenes", () => {
  const scene = (seed: number, index: number, style: string): SceneSpec => sampleTestScene(seed, index, style, { names: objectNames, sprites });

  it("depend on seed, index and style alone and carry no augmentation", () => {
    expect(scene(7, 3, "openmoji")).toEqual(scene(7, 3, "openmoji"));
    expect(scene(7, 4, "openmoji")).not.toEqual(scene(7, 3, "openmoji"));
    expect(scene(8, 3, "openmoji")).not.toEqual(scene(7, 3, "openmoji"));
    for (const spec of many(100, (index) => scene(7, index, "openmoji"))) {
      expect(spec.photometric).toBeUndefined();
      for (const object of spec.objects) {
        expect(object).toMatchObject({ style: "openmoji", flip: false, stretch: 1, shear: 0, opacity: 1, softness: 0 });
        expect([object.look, object.erase, object.shadow, object.warp]).toEqual([undefined, undefined, undefined, undefined]);
      }
    }
  });

  it("draw openmoji smaller, as the set itself does", () => {
    const meanSize = (style: string): number => {
      const sizes = many(200, (index) => scene(9, index, style)).flatMap((spec) => spec.objects.map((object) => object.size));
      return sizes.reduce((a, b) => a + b, 0) / sizes.length;
    };
    expect(meanSize("openmoji") / meanSize("twemoji")).toBeLessThan(0.9);
  });

  it("show drawings that stand out from the background", () => {
    const close = many(300, (index) => scene(11, index, "twemoji")).filter((spec) =>
      spec.objects.some((object) => distanceFromBackground(sprites.need(object.style, object.name).mean, spec.background) < 45),
    );
    expect(close.length).toBeLessThan(6);
  });

  it("differ from every scene that training could draw from its own seeds", () => {
    const rng = Random.fromSeed("test scenes", 7);
    expect(sampleScene(rng, { ...options, augment: false })).not.toEqual(scene(7, 0, "twemoji"));
  });
});

describe("placement", () => {
  const plain = { size: 0.5, rotation: 0, flip: false, stretch: 1, shear: 0 };

  it("gives the extents of a turned drawing", () => {
    expect(extents(plain, { width: 1, height: 0.5 })).toEqual({ width: 0.5, height: 0.25 });
    const quarter = extents({ ...plain, rotation: Math.PI / 2 }, { width: 1, height: 0.5 });
    expect(quarter.width).toBeCloseTo(0.25);
    expect(quarter.height).toBeCloseTo(0.5);
    const eighth = extents({ ...plain, rotation: Math.PI / 4, flip: true }, { width: 1, height: 1 });
    expect(eighth.width).toBeCloseTo(0.5 * Math.SQRT2);
  });

  it("calls a touch no overlap and a shared corner one", () => {
    const box = boxAround(0.25, 0.5, 0.5, 0.2);
    expect(boxesOverlap(box, boxAround(0.7, 0.5, 0.4, 0.2), 0.05)).toBe(false);
    expect(boxesOverlap(box, boxAround(0.6, 0.55, 0.4, 0.2), 0.05)).toBe(true);
    expect(boxesOverlap(box, boxAround(0.25, 0.9, 0.5, 0.2), 0.05)).toBe(false);
  });
});
