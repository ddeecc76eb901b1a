import type { Rgb } from "../art/colour.js";
import type { Random } from "./random.js";
import type { Look } from "./scene-spec.js";

/** A sampled look, and whether the drawing still has the colours that the art set gave it. */
export interface SampledLook {
  readonly look: Look | undefined;
  readonly keepsColour: boolean;
}

const identity: readonly number[] = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0];

/**
 * Draws a look at random: nothing at all, shifted colours, other line work, flat fills. Wide on purpose, since the
 * held-out art sets differ from the trained ones in just these things.
 */
export function sampleLook(rng: Random): SampledLook {
  if (rng.chance(0.22)) return { look: undefined, keepsColour: true };
  let matrix: readonly number[] | undefined;
  let keepsColour = true;
  const apply = (next: readonly number[]): void => {
    matrix = matrix === undefined ? next : compose(next, matrix);
  };
  if (rng.chance(0.5)) {
    const angle = rng.chance(0.25) ? rng.uniform(-Math.PI, Math.PI) : rng.normal(0, 0.15);
    if (Math.abs(angle) > 0.12) keepsColour = false;
    apply(hueRotation(angle));
  }
  if (rng.chance(0.5)) {
    const amount = rng.chance(0.12) ? 0 : rng.uniform(0.45, 1.8);
    if (amount < 0.75) keepsColour = false;
    apply(saturation(amount));
  }
  if (rng.chance(0.6)) {
    const contrast = rng.uniform(0.7, 1.4);
    const brightness = rng.uniform(0.75, 1.25);
    if (contrast < 0.85 || brightness < 0.88 || brightness > 1.12) keepsColour = false;
    const scale = contrast * brightness;
    const offset = 128 * (1 - contrast) * brightness;
    apply([scale, 0, 0, offset, 0, scale, 0, offset, 0, 0, scale, offset]);
  }
  if (rng.chance(0.25)) {
    keepsColour = false;
    apply([rng.uniform(0.75, 1.2), 0, 0, 0, 0, rng.uniform(0.75, 1.2), 0, 0, 0, 0, rng.uniform(0.75, 1.2), 0]);
  }
  const look: { -readonly [K in keyof Look]: Look[K] } = {};
  if (matrix !== undefined) look.matrix = matrix;
  if (rng.chance(0.2)) look.gamma = rng.uniform(0.65, 1.5);
  if (rng.chance(0.12)) look.levels = 2 + rng.int(4);
  if (look.gamma !== undefined && (look.gamma > 1.15 || look.gamma < 0.85)) keepsColour = false;
  if (look.levels !== undefined && look.levels < 4) keepsColour = false;
  const lineArt = rng.chance(0.07);
  if (lineArt || rng.chance(0.06)) {
    keepsColour = false;
    const colour: Rgb = rng.chance(0.6) ? [255, 255, 255] : [rng.uniform(90, 255), rng.uniform(90, 255), rng.uniform(90, 255)];
    look.fill = { colour, mix: lineArt ? rng.uniform(0.8, 1) : rng.uniform(0.3, 0.7) };
  }
  const outlined = lineArt || rng.chance(0.42);
  if (outlined) look.outline = { colour: lineArt ? darkColour(rng) : lineColour(rng), width: rng.uniform(0.25, 0.95) };
  if (lineArt || rng.chance(outlined ? 0.7 : 0.1)) {
    look.edges = { colour: darkColour(rng), threshold: rng.uniform(35, 120), strength: lineArt ? 1 : rng.uniform(0.4, 1) };
  }
  return { look, keepsColour };
}

/** The mean colour of a drawing after a look's matrix and fill. */
export function lookedMean(mean: Rgb, look: Look | undefined): Rgb {
  if (look === undefined) return mean;
  const m = look.matrix ?? identity;
  const [r, g, b] = mean;
  const channel = (row: number, fill: number): number => {
    const moved = (m[row] ?? 0) * r + (m[row + 1] ?? 0) * g + (m[row + 2] ?? 0) * b + (m[row + 3] ?? 0);
    const clamped = 255 * Math.min(1, Math.max(0, moved / 255)) ** (look.gamma ?? 1);
    return look.fill === undefined ? clamped : clamped + (fill - clamped) * look.fill.mix;
  };
  const fill = look.fill?.colour ?? [0, 0, 0];
  return [channel(0, fill[0]), channel(4, fill[1]), channel(8, fill[2])];
}

function lineColour(rng: Random): Rgb {
  const kind = rng.weighted([0.7, 0.16, 0.14]);
  return kind === 0 ? [0, 0, 0] : kind === 1 ? darkColour(rng) : [255, 255, 255];
}

function darkColour(rng: Random): Rgb {
  return rng.chance(0.6) ? [0, 0, 0] : [rng.uniform(0, 80), rng.uniform(0, 80), rng.uniform(0, 80)];
}

/** Rotation about the gray axis of RGB (Rodrigues' formula for the axis (1, 1, 1)). */
function hueRotation(angle: number): readonly number[] {
  const cos = Math.cos(angle);
  const third = (1 - cos) / 3;
  const side = Math.sin(angle) / Math.sqrt(3);
  const [a, b, c] = [cos + third, third - side, third + side];
  return [a, b, c, 0, c, a, b, 0, b, c, a, 0];
}

function saturation(amount: number): readonly number[] {
  const rest = 1 - amount;
  const [r, g, b] = [0.299 * rest, 0.587 * rest, 0.114 * rest];
  return [r + amount, g, b, 0, r, g + amount, b, 0, r, g, b + amount, 0];
}

function compose(second: readonly number[], first: readonly number[]): readonly number[] {
  const out: number[] = [];
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 4; column++) {
      let sum = column === 3 ? (second[row * 4 + 3] ?? 0) : 0;
      for (let k = 0; k < 3; k++) sum += (second[row * 4 + k] ?? 0) * (first[k * 4 + column] ?? 0);
      out.push(sum);
    }
  }
  return out;
}
