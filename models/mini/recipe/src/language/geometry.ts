import type { SceneObject } from "../scenes/scene-spec.js";
import type { Direction, Side } from "./wordings.js";

/** Centres nearer than this to a border between two answers are asked about by no question. */
const margin = 0.025;

/** Centres must differ by this much for one thing to be left of (above, ...) another; by less than `margin`, it is not. */
const clearStep = 0.1;

type Third = "low" | "middle" | "high";

/** Which third of the picture a coordinate falls in; `undefined` near a border. */
function thirdOf(coordinate: number): Third | undefined {
  for (const border of [1 / 3, 2 / 3]) if (Math.abs(coordinate - border) < margin) return undefined;
  return coordinate < 1 / 3 ? "low" : coordinate < 2 / 3 ? "middle" : "high";
}

const places: Readonly<Record<Third, Readonly<Record<Third, string>>>> = {
  low: { low: "at the top left", middle: "at the top", high: "at the top right" },
  middle: { low: "on the left", middle: "in the middle", high: "on the right" },
  high: { low: "at the bottom left", middle: "at the bottom", high: "at the bottom right" },
};

/** The cell of a 3 by 3 grid that holds the object's centre, in words; `undefined` near a border of the grid. */
export function placeOf(object: Pick<SceneObject, "cx" | "cy">): string | undefined {
  const column = thirdOf(object.cx);
  const row = thirdOf(object.cy);
  return column === undefined || row === undefined ? undefined : places[row][column];
}

/**
 * The others whose centre lies clearly in a direction from the anchor's, whatever their offset across it.
 * `undefined` where one of them is a close call.
 */
export function objectsTowards(anchor: SceneObject, others: readonly SceneObject[], direction: Direction): readonly SceneObject[] | undefined {
  const found: SceneObject[] = [];
  for (const other of others) {
    const step = {
      left: anchor.cx - other.cx,
      right: other.cx - anchor.cx,
      above: anchor.cy - other.cy,
      below: other.cy - anchor.cy,
    }[direction];
    if (step > clearStep) found.push(other);
    else if (step > -margin) return undefined;
  }
  return found;
}

/** Objects in the left, right, top or bottom third, or in the middle cell; `undefined` where one is a close call. */
export function objectsAtSide(objects: readonly SceneObject[], side: Side): readonly SceneObject[] | undefined {
  const found: SceneObject[] = [];
  for (const object of objects) {
    const column = thirdOf(object.cx);
    const row = thirdOf(object.cy);
    if (side === "middle") {
      if (column === undefined || row === undefined) return undefined;
      if (column === "middle" && row === "middle") found.push(object);
      continue;
    }
    const third = side === "left" || side === "right" ? column : row;
    if (third === undefined) return undefined;
    if (third === (side === "left" || side === "top" ? "low" : "high")) found.push(object);
  }
  return found;
}
