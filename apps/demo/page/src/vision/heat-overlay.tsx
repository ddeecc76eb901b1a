import type { VNode } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { heatPixels, type Grid } from "./heat-pixels";

const side = 160;

interface HeatOverlayProps {
  readonly grid: Grid;
  readonly label: string;
  /** Of a word that is hardly in the picture: its warmest place is not to look like a find. */
  readonly faint: boolean;
}

/** The heat of a word, drawn over the picture that it lies in. */
export function HeatOverlay({ grid, label, faint }: HeatOverlayProps): VNode {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    canvas.current?.getContext("2d")?.putImageData(new ImageData(heatPixels(grid, side, side), side, side), 0, 0);
  }, [grid]);
  return <canvas ref={canvas} class={faint ? "heat faint" : "heat"} width={side} height={side} role="img" aria-label={label} />;
}
