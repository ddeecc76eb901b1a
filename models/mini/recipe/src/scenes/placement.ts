import type { SpriteFacts } from "../art/sprite.js";
import type { Box, SceneObject } from "./scene-spec.js";

/** The part of a `SceneObject` that decides how its drawing lies in the picture. */
export type Placement = Pick<SceneObject, "size" | "rotation" | "flip" | "stretch" | "shear">;

/**
 * Writes the linear map from the drawing (its longer side 1, centred on 0) to the picture (its side 1) into `out` as
 * [xx, xy, yx, yy]: x' = xx x + xy y. Stretch keeps the area; then shear, then rotation.
 */
export function linearMap(object: Placement, out: Float64Array): void {
  const root = Math.sqrt(object.stretch);
  const sx = (object.flip ? -root : root) * object.size;
  const sy = object.size / root;
  const cos = Math.cos(object.rotation);
  const sin = Math.sin(object.rotation);
  out[0] = cos * sx;
  out[1] = (cos * object.shear - sin) * sy;
  out[2] = sin * sx;
  out[3] = (sin * object.shear + cos) * sy;
}

const scratch = new Float64Array(4);

/** Width and height of the box around the placed drawing, in fractions of the picture's side. */
export function extents(object: Placement, sprite: Pick<SpriteFacts, "width" | "height">): { readonly width: number; readonly height: number } {
  linearMap(object, scratch);
  const [xx = 0, xy = 0, yx = 0, yy = 0] = scratch;
  return {
    width: Math.abs(xx) * sprite.width + Math.abs(xy) * sprite.height,
    height: Math.abs(yx) * sprite.width + Math.abs(yy) * sprite.height,
  };
}

/** The box of that width and height around a centre. */
export function boxAround(cx: number, cy: number, width: number, height: number): Box {
  return { left: cx - width / 2, top: cy - height / 2, right: cx + width / 2, bottom: cy + height / 2 };
}

/** True if two boxes share more than a touch: each is first shrunk by `slack` of its extents. */
export function boxesOverlap(a: Box, b: Box, slack: number): boolean {
  const overlapX = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const overlapY = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  const allowedX = slack * Math.min(a.right - a.left, b.right - b.left);
  const allowedY = slack * Math.min(a.bottom - a.top, b.bottom - b.top);
  return overlapX > allowedX && overlapY > allowedY;
}
