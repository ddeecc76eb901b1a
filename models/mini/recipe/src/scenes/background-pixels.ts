import type { Rgb } from "../art/colour.js";
import { scramble } from "./random.js";
import type { Background } from "./scene-spec.js";

/** Paints a background into `float32[side, side, 3]`, 0 to 255. */
export function paintBackground(background: Background, canvas: Float32Array, side: number): void {
  switch (background.kind) {
    case "flat":
      return paintFlat(background.colour, canvas);
    case "linear": {
      const { from, to, angle } = background;
      // Scaled so that the two ends fall on opposite corners.
      const reach = Math.abs(Math.cos(angle)) + Math.abs(Math.sin(angle));
      const dx = Math.cos(angle) / (side * reach);
      const dy = Math.sin(angle) / (side * reach);
      let at = 0;
      for (let y = 0; y < side; y++) {
        let t = 0.5 + (y + 0.5 - side / 2) * dy + (0.5 - side / 2) * dx;
        for (let x = 0; x < side; x++, t += dx, at += 3) {
          canvas[at] = from[0] + (to[0] - from[0]) * t;
          canvas[at + 1] = from[1] + (to[1] - from[1]) * t;
          canvas[at + 2] = from[2] + (to[2] - from[2]) * t;
        }
      }
      return;
    }
    case "radial": {
      const { from, to, cx, cy, radius } = background;
      let at = 0;
      for (let y = 0; y < side; y++) {
        const dy = (y + 0.5) / side - cy;
        for (let x = 0; x < side; x++, at += 3) {
          const dx = (x + 0.5) / side - cx;
          const t = Math.min(1, Math.sqrt(dx * dx + dy * dy) / radius);
          canvas[at] = from[0] + (to[0] - from[0]) * t;
          canvas[at + 1] = from[1] + (to[1] - from[1]) * t;
          canvas[at + 2] = from[2] + (to[2] - from[2]) * t;
        }
      }
      return;
    }
    case "stripes":
    case "checker":
      return paintBands(background, canvas, side);
    case "noise":
      return paintNoise(background.from, background.to, background.cells, background.seed, canvas, side);
  }
}

function paintFlat(colour: Rgb, canvas: Float32Array): void {
  const [r, g, b] = colour;
  for (let at = 0; at < canvas.length; at += 3) {
    canvas[at] = r;
    canvas[at + 1] = g;
    canvas[at + 2] = b;
  }
}

function paintBands(background: Extract<Background, { kind: "stripes" | "checker" }>, canvas: Float32Array, side: number): void {
  const { from, to, angle, period, kind } = background;
  const ux = (Math.cos(angle) * 2) / (period * side);
  const uy = (Math.sin(angle) * 2) / (period * side);
  const cross = kind === "checker" ? 1 : 0;
  // Shifted by a large even number so that truncation floors.
  const shift = 4096;
  let at = 0;
  for (let y = 0; y < side; y++) {
    let u = shift + (y + 0.5) * uy + 0.5 * ux;
    let v = shift + (y + 0.5) * ux - 0.5 * uy;
    for (let x = 0; x < side; x++, u += ux, v -= uy, at += 3) {
      const colour = (((u | 0) + cross * (v | 0)) & 1) === 0 ? from : to;
      canvas[at] = colour[0];
      canvas[at + 1] = colour[1];
      canvas[at + 2] = colour[2];
    }
  }
}

/** Value noise: random shares of two colours on a coarse grid, smoothly interpolated. */
function paintNoise(from: Rgb, to: Rgb, cells: number, seed: number, canvas: Float32Array, side: number): void {
  const node = (x: number, y: number): number => (scramble(scramble(seed + x * 7919) + y * 104729) >>> 0) / 4294967296;
  const step = cells / side;
  for (let cellY = 0; cellY < cells; cellY++) {
    const startY = Math.ceil((cellY * side) / cells - 0.5);
    const endY = Math.min(side, Math.ceil(((cellY + 1) * side) / cells - 0.5));
    for (let cellX = 0; cellX < cells; cellX++) {
      const startX = Math.ceil((cellX * side) / cells - 0.5);
      const endX = Math.min(side, Math.ceil(((cellX + 1) * side) / cells - 0.5));
      const a = node(cellX, cellY), b = node(cellX + 1, cellY), c = node(cellX, cellY + 1), d = node(cellX + 1, cellY + 1);
      for (let y = startY; y < endY; y++) {
        const fy = (y + 0.5) * step - cellY;
        const sy = fy * fy * (3 - 2 * fy);
        const left = a + (c - a) * sy;
        const right = b + (d - b) * sy;
        let at = (y * side + startX) * 3;
        for (let x = startX; x < endX; x++, at += 3) {
          const fx = (x + 0.5) * step - cellX;
          const t = left + (right - left) * fx * fx * (3 - 2 * fx);
          canvas[at] = from[0] + (to[0] - from[0]) * t;
          canvas[at + 1] = from[1] + (to[1] - from[1]) * t;
          canvas[at + 2] = from[2] + (to[2] - from[2]) * t;
        }
      }
    }
  }
}
