import type { VNode } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { heatPixels, type Grid } from "./heat-pixels";

const side = 160;

/** The heat of a word, drawn over the picture that it lies in. */
export function HeatOverlay({ grid, label }: { grid: Grid; label: string }): VNode {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    canvas.current?.getContext("2d")?.putImageData(new ImageData(heatPixels(grid, side, side), side, side), 0, 0);
  }, [grid]);
  return <canvas ref={canvas} class="heat" width={side} height={side} role="img" aria-label={label} />;
}
