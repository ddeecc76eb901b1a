import type { ColourName, Rgb } from "../art/colour.js";
import type { Random } from "./random.js";
import type { Background } from "./scene-spec.js";

/** Flat backgrounds that people would call by that word: plain, light and dark variants. */
const named: readonly (readonly [ColourName, readonly Rgb[]])[] = [
  ["white", [[255, 255, 255], [250, 250, 248]]],
  ["black", [[0, 0, 0], [18, 18, 20]]],
  ["gray", [[128, 128, 128], [170, 170, 170], [95, 95, 98]]],
  ["red", [[220, 40, 40], [190, 20, 30], [240, 70, 60]]],
  ["orange", [[245, 145, 40], [255, 165, 0], [230, 120, 20]]],
  ["yellow", [[250, 220, 50], [255, 240, 110], [240, 210, 20]]],
  ["green", [[60, 170, 75], [30, 110, 50], [140, 215, 130]]],
  ["blue", [[60, 110, 225], [25, 50, 140], [130, 185, 245]]],
  ["purple", [[140, 70, 190], [90, 40, 130], [185, 140, 225]]],
  ["pink", [[250, 160, 195], [255, 190, 210], [240, 110, 165]]],
  ["brown", [[130, 85, 50], [100, 62, 35], [150, 105, 65]]],
];

/** A flat named colour, white in four of ten draws. */
function sampleNamedBackground(rng: Random): Background {
  const [name, shades] = rng.chance(0.4) ? (named[0] as (typeof named)[number]) : rng.choice(named);
  return { kind: "flat", colour: jitter(rng, rng.choice(shades), name === "white" || name === "black" ? 0 : 8), name };
}

/** Any background: mostly flat, else a gradient, stripes, checks or smooth noise. */
export function sampleBackground(rng: Random): Background {
  const kind = rng.weighted([0.48, 0.1, 0.14, 0.06, 0.07, 0.05, 0.1]);
  if (kind === 0) return sampleNamedBackground(rng);
  if (kind === 1) return { kind: "flat", colour: anyColour(rng) };
  const from = anyColour(rng);
  const to = rng.chance(0.5) ? anyColour(rng) : jitter(rng, from, 60);
  const angle = rng.uniform(0, 2 * Math.PI);
  if (kind === 2) return { kind: "linear", from, to, angle };
  if (kind === 3) return { kind: "radial", from, to, cx: rng.uniform(), cy: rng.uniform(), radius: rng.uniform(0.5, 1.2) };
  if (kind === 4) return { kind: "stripes", from, to, angle: rng.chance(0.5) ? rng.int(2) * (Math.PI / 2) : angle, period: rng.uniform(0.06, 0.35) };
  if (kind === 5) return { kind: "checker", from, to, angle: rng.chance(0.6) ? 0 : angle, period: rng.uniform(0.1, 0.4) };
  return { kind: "noise", from, to, cells: 2 + rng.int(9), seed: rng.uint32() };
}

/** How far a colour stands out from a background, as a distance in RGB to the nearest of its colours. */
export function distanceFromBackground(colour: Rgb, background: Background): number {
  if (background.kind === "flat") return distance(colour, background.colour);
  return Math.min(distance(colour, background.from), distance(colour, background.to));
}

function distance(a: Rgb, b: Rgb): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

function anyColour(rng: Random): Rgb {
  return [rng.uniform(0, 255), rng.uniform(0, 255), rng.uniform(0, 255)];
}

function jitter(rng: Random, colour: Rgb, amount: number): Rgb {
  const move = (value: number): number => Math.min(255, Math.max(0, value + rng.uniform(-amount, amount)));
  return amount === 0 ? colour : [move(colour[0]), move(colour[1]), move(colour[2])];
}
