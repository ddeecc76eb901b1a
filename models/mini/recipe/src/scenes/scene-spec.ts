import type { ColourName, Rgb } from "../art/colour.js";

/** What lies behind the objects. Angles in radians, lengths as fractions of the picture's side. */
export type Background =
  | { readonly kind: "flat"; readonly colour: Rgb; readonly name?: ColourName }
  | { readonly kind: "linear"; readonly from: Rgb; readonly to: Rgb; readonly angle: number }
  | { readonly kind: "radial"; readonly from: Rgb; readonly to: Rgb; readonly cx: number; readonly cy: number; readonly radius: number }
  | { readonly kind: "stripes" | "checker"; readonly from: Rgb; readonly to: Rgb; readonly angle: number; readonly period: number }
  | { readonly kind: "noise"; readonly from: Rgb; readonly to: Rgb; readonly cells: number; readonly seed: number };

/** How an object's own colours and lines are changed before it is placed (training only). */
export interface Look {
  /** Rows of a 3x4 matrix on RGB (0 to 255), the fourth column an offset. */
  readonly matrix?: readonly number[];
  readonly gamma?: number;
  /** Number of levels a channel keeps. */
  readonly levels?: number;
  /** Replaces colours by this one, by the share `mix`. */
  readonly fill?: { readonly colour: Rgb; readonly mix: number };
  /** A line around the drawing; `width` 0 to 1 of the room that a sprite has for it. */
  readonly outline?: { readonly colour: Rgb; readonly width: number };
  /** Lines where colours change inside the drawing. */
  readonly edges?: { readonly colour: Rgb; readonly threshold: number; readonly strength: number };
}

/** The box around an object as drawn, in fractions of the side; may leave [0, 1] where the picture crops it. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** One object of a scene. */
export interface SceneObject {
  readonly name: string;
  readonly style: string;
  /** Centre as fractions of the side, y down. */
  readonly cx: number;
  readonly cy: number;
  /** Longer side of the trimmed, unrotated drawing as a fraction of the picture's side. */
  readonly size: number;
  /** Radians, clockwise as seen. */
  readonly rotation: number;
  readonly flip: boolean;
  /** Horizontal over vertical scale, 1 for none. */
  readonly stretch: number;
  /** Horizontal shift for each unit of height, 0 for none. */
  readonly shear: number;
  /** Bends the drawing along sine waves; amplitude and wave length are relative to `size`. */
  readonly warp?: { readonly amplitude: number; readonly cycles: number; readonly phaseX: number; readonly phaseY: number };
  readonly opacity: number;
  /** Octaves by which detail is lost, 0 for none. */
  readonly softness: number;
  readonly look?: Look;
  readonly shadow?: { readonly dx: number; readonly dy: number; readonly strength: number };
  /** A part left out: a box in the sprite's own unit square. */
  readonly erase?: Box;
  /** Only where one colour word clearly fits the object as drawn. */
  readonly colour?: ColourName;
  readonly bounds: Box;
}

/** Changes to the whole picture, applied last (training only). */
export interface Photometric {
  readonly gain: Rgb;
  readonly bias: number;
  /** Standard deviation of added noise, 0 to 255. */
  readonly noise: number;
  readonly noiseSeed: number;
  readonly blur: boolean;
}

/** A whole picture, enough to draw it bit by bit again. */
export interface SceneSpec {
  readonly background: Background;
  readonly objects: readonly SceneObject[];
  readonly photometric?: Photometric;
}
