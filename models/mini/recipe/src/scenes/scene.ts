import { heldOutStyles } from "../art/art-sets.js";
import type { Sprite } from "../art/sprite.js";
import type { Sprites } from "../art/sprites.js";
import { distanceFromBackground, sampleBackground } from "./backgrounds.js";
import { lookedMean, sampleLook } from "./looks.js";
import { boxAround, boxesOverlap, extents, type Placement } from "./placement.js";
import { Random } from "./random.js";
import type { Background, Box, Photometric, SceneObject, SceneSpec } from "./scene-spec.js";

export type { SceneObject, SceneSpec } from "./scene-spec.js";

/** What a sampler draws from. */
export interface SampleOptions {
  readonly names: readonly string[];
  readonly styles: readonly string[];
  readonly sprites: Sprites;
  /** Change the drawings' colours, lines and shapes, and the photometrics of the whole picture. */
  readonly augment: boolean;
}

/** Colour questions are asked only of drawings whose commonest colour covers this share of them. */
const clearColourShare = 0.6;

/** One object, 0.35 to 1 of the side, at most about 15% of it cropped: the tower's first pictures. */
export function sampleSingle(rng: Random, options: SampleOptions): SceneSpec {
  refuseHeldOut("sampleSingle", options);
  const sprite = drawSprite(rng, options, rng.choice(options.names), undefined);
  const object = place(rng, sprite, rng.uniform(0.35, 1), options.augment, 0.08);
  return finish(rng, [object], [sprite], options.augment);
}

/** One to three objects beside each other, sometimes several of the same name. */
export function sampleScene(rng: Random, options: SampleOptions): SceneSpec {
  refuseHeldOut("sampleScene", options);
  const names = sampleNames(rng, options.names);
  const style = rng.chance(0.6) ? rng.choice(options.styles) : undefined;
  const drawn = names.map((name) => drawSprite(rng, options, name, style));
  const objects = arrange(rng, drawn, options.augment, (sprite, largest) => {
    const smallest = largest ? 0.3 : 0.2;
    return options.augment ? rng.uniform(smallest, largest ? 0.85 : 0.5) : rng.uniform(smallest, largest ? 0.8 : 0.5) * sprite.naturalScale;
  });
  return finish(rng, objects, drawn, options.augment);
}

/** What `sampleTestScene` draws from. */
export interface TestSceneOptions {
  readonly names: readonly string[];
  readonly sprites: Sprites;
}

/**
 * Scene `index` of the test set `seed` in one style: one to three objects at the size at which the art set draws them in
 * its own box, tilted by at most about twenty degrees, on a varied background, with no augmentation.
 */
export function sampleTestScene(seed: number, index: number, style: string, options: TestSceneOptions): SceneSpec {
  const rng = Random.fromSeed("test scenes", seed, index, style);
  const drawable = options.names.filter((name) => options.sprites.get(style, name) !== undefined);
  const drawn = sampleNames(rng, drawable).map((name) => options.sprites.need(style, name));
  const objects = arrange(rng, drawn, false, (sprite, largest) => (largest ? rng.uniform(0.35, 0.85) : rng.uniform(0.27, 0.5)) * sprite.naturalScale);
  return finish(rng, objects, drawn, false);
}

/** One object of any style, held-out ones too, as `sampleSingle` draws it unaugmented: for fine-tuning on a new style, never for the recipe. */
export function sampleFineTuningSingle(rng: Random, options: Omit<SampleOptions, "augment">): SceneSpec {
  const names = options.names.filter((name) => options.styles.some((style) => options.sprites.get(style, name) !== undefined));
  const sprite = drawSprite(rng, { ...options, augment: false }, rng.choice(names), undefined);
  return finish(rng, [place(rng, sprite, rng.uniform(0.35, 1), false, 0.08)], [sprite], false);
}

function refuseHeldOut(caller: string, options: SampleOptions): void {
  const bad = options.styles.find((style) => heldOutStyles.includes(style));
  if (bad !== undefined) throw new Error(`${caller}: expected training styles only, got the held-out style "${bad}"`);
}

function sampleNames(rng: Random, names: readonly string[]): string[] {
  const count = 1 + rng.weighted([0.27, 0.38, 0.35]);
  const distinct = count > 1 && rng.chance(0.3) ? (count === 3 && rng.chance(0.5) ? 2 : 1) : count;
  const chosen: string[] = [];
  while (chosen.length < Math.min(distinct, names.length)) {
    const name = rng.choice(names);
    if (!chosen.includes(name)) chosen.push(name);
  }
  while (chosen.length < count) chosen.push(chosen[0] as string);
  return chosen;
}

function drawSprite(rng: Random, options: SampleOptions, name: string, preferred: string | undefined): Sprite {
  const wanted = preferred === undefined ? undefined : options.sprites.get(preferred, name);
  if (wanted !== undefined) return wanted;
  for (let attempt = 0; attempt < 8; attempt++) {
    const sprite = options.sprites.get(rng.choice(options.styles), name);
    if (sprite !== undefined) return sprite;
  }
  const style = options.styles.find((candidate) => options.sprites.get(candidate, name) !== undefined);
  if (style === undefined) throw new Error(`sample: expected a sprite of "${name}" in one of ${options.styles.join(", ")}, got none loaded`);
  return options.sprites.need(style, name);
}

/** Finds places where the objects' boxes keep apart, drawing smaller ones when there is no room. */
function arrange(rng: Random, sprites: readonly Sprite[], augment: boolean, sizeOf: (sprite: Sprite, alone: boolean) => number): SceneObject[] {
  const alone = sprites.length === 1;
  for (let shrink = 1; ; shrink *= 0.93) {
    const placed: SceneObject[] = [];
    for (const sprite of sprites) {
      const size = sizeOf(sprite, alone) * shrink;
      for (let attempt = 0; attempt < 12; attempt++) {
        const object = place(rng, sprite, size, augment, alone ? 0.02 : 0);
        if (placed.some((other) => boxesOverlap(other.bounds, object.bounds, 0.05))) continue;
        placed.push(object);
        break;
      }
    }
    if (placed.length === sprites.length) return placed;
  }
}

/** Places a drawing at random so that at most `crop` of its extent leaves the picture at any side. */
function place(rng: Random, sprite: Sprite, size: number, augment: boolean, crop: number): SceneObject {
  const placement: Placement = {
    size,
    rotation: augment ? sampleRotation(rng) : Math.max(-0.35, Math.min(0.35, rng.normal(0, 0.12))),
    flip: augment && rng.chance(0.4),
    stretch: augment && rng.chance(0.4) ? Math.exp(rng.uniform(-0.24, 0.24)) : 1,
    shear: augment && rng.chance(0.25) ? rng.normal(0, 0.12) : 0,
  };
  const { width, height } = extents(placement, sprite);
  const cx = sampleCentre(rng, width, crop);
  const cy = sampleCentre(rng, height, crop);
  const { look, keepsColour } = augment ? sampleLook(rng) : { look: undefined, keepsColour: true };
  const colour = keepsColour && sprite.colourShare >= clearColourShare ? sprite.colour : undefined;
  return {
    name: sprite.name,
    style: sprite.style,
    cx,
    cy,
    ...placement,
    opacity: augment && rng.chance(0.1) ? rng.uniform(0.85, 1) : 1,
    softness: augment && rng.chance(0.15) ? rng.uniform(0.4, 1.5) : 0,
    bounds: boxAround(cx, cy, width, height),
    ...(look === undefined ? {} : { look }),
    ...(augment && rng.chance(0.35) ? { warp: { amplitude: rng.uniform(0.01, 0.05), cycles: rng.uniform(0.6, 1.8), phaseX: rng.uniform(0, 2 * Math.PI), phaseY: rng.uniform(0, 2 * Math.PI) } } : {}),
    ...(augment && rng.chance(0.1) ? { shadow: { dx: rng.normal(0, 0.025), dy: rng.uniform(0.01, 0.05), strength: rng.uniform(0.15, 0.45) } } : {}),
    ...(augment && rng.chance(0.08) ? { erase: sampleErase(rng) } : {}),
    ...(colour === undefined ? {} : { colour }),
  };
}

function sampleRotation(rng: Random): number {
  const kind = rng.weighted([0.5, 0.38, 0.12]);
  return kind === 0 ? rng.normal(0, 0.1) : kind === 1 ? rng.uniform(-0.4, 0.4) : rng.uniform(-Math.PI, Math.PI);
}

function sampleCentre(rng: Random, extent: number, crop: number): number {
  const low = extent * (0.5 - crop);
  return low < 0.5 ? rng.uniform(low, 1 - low) : 0.5;
}

function sampleErase(rng: Random): Box {
  const width = rng.uniform(0.15, 0.42);
  const height = rng.uniform(0.15, 0.42);
  return boxAround(rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8), width, height);
}

function finish(rng: Random, objects: readonly SceneObject[], sprites: readonly Sprite[], augment: boolean): SceneSpec {
  const means = objects.map((object, i) => lookedMean((sprites[i] as Sprite).mean, object.look));
  // Objects must stand out: the best of a few backgrounds where none is clearly different from all of them.
  let best: Background | undefined;
  let bestDistance = -1;
  for (let attempt = 0; attempt < 16 && bestDistance < 70; attempt++) {
    const background = sampleBackground(rng);
    let nearest = Number.POSITIVE_INFINITY;
    for (const mean of means) nearest = Math.min(nearest, distanceFromBackground(mean, background));
    if (nearest > bestDistance) {
      best = background;
      bestDistance = nearest;
    }
  }
  const background = best as Background;
  return augment ? { background, objects, photometric: samplePhotometric(rng) } : { background, objects };
}

function samplePhotometric(rng: Random): Photometric {
  const gain = rng.chance(0.5) ? rng.uniform(0.8, 1.15) : 1;
  const tint = rng.chance(0.3) ? 0.06 : 0;
  return {
    gain: [gain + rng.uniform(-tint, tint), gain + rng.uniform(-tint, tint), gain + rng.uniform(-tint, tint)],
    bias: rng.chance(0.5) ? rng.uniform(-18, 22) : 0,
    noise: rng.chance(0.4) ? rng.uniform(1, 14) : 0,
    noiseSeed: rng.uint32(),
    blur: rng.chance(0.12),
  };
}
