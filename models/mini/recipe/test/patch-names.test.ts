import { describe, expect, it } from "vitest";

import { objectNames } from "../src/objects.js";
import { patchNames } from "../src/patch-names.js";
import type { SceneSpec } from "../src/scenes/scene-spec.js";

const background = objectNames.length;

/** An object whose box spans columns and rows of the 8 x 8 grid. */
function thing(name: string, left: number, top: number, right: number, bottom: number): SceneSpec["objects"][number] {
  const bounds = { left: left / 8, top: top / 8, right: right / 8, bottom: bottom / 8 };
  return { name, style: "noto", cx: 0.5, cy: 0.5, size: 0.5, rotation: 0, flip: false, stretch: 1, shear: 0, opacity: 1, softness: 0, bounds };
}

const flat = { kind: "flat", colour: [255, 255, 255] } as const;
const [first, second] = [objectNames[4] as string, objectNames[9] as string];
const scene: SceneSpec = { background: flat, objects: [thing(first, 0, 0, 4, 4), thing(second, 5, 4, 8, 8)] };

describe("the names of patches", () => {
  it("are the object's well inside it, background outside, and undecided at its border", () => {
    const { patchClasses, patchWeights } = patchNames([scene]);
    const at = (row: number, column: number): readonly [number, number] => [Number((patchClasses.data as BigInt64Array)[row * 8 + column]), Number((patchWeights.data as Float32Array)[row * 8 + column]?.toFixed(3))];
    expect(at(1, 1)).toEqual([4, 1]);
    expect(at(5, 6)).toEqual([9, 1]);
    expect(at(1, 7)).toEqual([background, 0.1]);
    expect(at(0, 0)[1]).toBe(0);
    expect(at(4, 2)[1]).toBe(0);
  });

  it("follow the positions of patches that were kept", () => {
    const positions = BigInt64Array.of(9n, 46n, 46n, 9n);
    const empty: SceneSpec = { background: flat, objects: [] };
    const { patchClasses } = patchNames([scene, { ...empty, objects: [thing(first, 5, 4, 8, 8)] }], positions);
    expect([...(patchClasses.data as BigInt64Array)].map(Number)).toEqual([4, 9, 4, background]);
  });
});
