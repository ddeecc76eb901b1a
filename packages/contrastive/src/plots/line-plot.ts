import { linearAxis, logAxis } from "./axis.js";
import { drawPanel, ink, lineColors, type Curve, type Panel } from "./panel.js";
import { svgDocument, svgText } from "./svg-document.js";

/** One line of a plot. */
export interface PlotSeries {
  readonly name: string;
  /** x and y, with the least and the most y where there is a spread. */
  readonly points: readonly { readonly x: number; readonly y: number; readonly low?: number; readonly high?: number }[];
  /** Thin and pale: the raw values behind a smoothed line, which the legend leaves out. */
  readonly faint?: boolean;
  /** Which colour of the palette; the place among the series when left out. */
  readonly colour?: number;
}

/** What a `linePlot` is called, and its axes. */
export interface PlotOptions {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly PlotSeries[];
  /** A logarithmic axis, for powers of two and rates; points at 0 or below are left out. */
  readonly logX?: boolean;
  readonly logY?: boolean;
  /** Ticks of the x axis; the points' own x where it is logarithmic and they are few, round numbers otherwise. */
  readonly xTicks?: readonly number[];
  /** y are shares, 0 to 1, shown as percentages. */
  readonly percent?: boolean;
}

const gap = 32;
const margin = 20;

/** A plot of lines with their spreads as bands, as an SVG file's text. */
export function linePlot(options: PlotOptions, width = 720, height = 440): string {
  return svgDocument(width, height, options.title, drawPanel(panelOf(options), { left: margin, top: margin, width: width - 2 * margin, height: height - margin - 10 }));
}

/** Several plots in a grid under a common title, as an SVG file's text; `width` and `height` are those of one. */
export function plotGrid(title: string, plots: readonly PlotOptions[], columns = 2, width = 520, height = 340): string {
  const rows = Math.ceil(plots.length / columns);
  const heading = 60;
  const body = plots.flatMap((plot, i) =>
    drawPanel(panelOf(plot), { left: margin + (i % columns) * (width + gap), top: heading + Math.floor(i / columns) * (height + gap), width, height }),
  );
  return svgDocument(2 * margin + columns * (width + gap) - gap, heading + rows * (height + gap), title, [svgText(margin, 36, title, { size: 20, fill: ink.title, bold: true }), ...body]);
}

function panelOf({ title, xLabel, yLabel, series, logX = false, logY = false, xTicks, percent = false }: PlotOptions): Panel {
  const shown = series.map((one, i) => ({
    ...one,
    color: lineColors[(one.colour ?? i) % lineColors.length] as string,
    points: one.points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y) && (!logX || x > 0) && (!logY || y > 0)).sort((a, b) => a.x - b.x),
  }));
  const points = shown.flatMap((one) => one.points);
  const own = [...new Set(points.map(({ x }) => x))].sort((a, b) => a - b);
  const few = own.length <= 12;
  const ys = points.flatMap(({ y, low = y, high = y }) => [low, y, high]);
  const named = shown.filter(({ faint }) => !faint);
  return {
    title,
    xLabel,
    yLabel,
    x: logX ? logAxis(own, xTicks ?? (few ? own : undefined)) : linearAxis(own, { ticks: 7, tight: !few, ...(xTicks ? { given: xTicks } : {}) }),
    y: logY ? logAxis(ys) : linearAxis(ys, { percent, ticks: 6 }),
    curves: shown.map(({ points: at, color, faint = false }): Curve => ({
      points: at.map(({ x, y }) => [x, y]),
      color,
      width: faint ? 1 : 2.2,
      opacity: faint ? 0.3 : 1,
      dots: few && !faint,
      band: at.flatMap(({ x, low, high }): [number, number, number][] => (low === undefined || high === undefined ? [] : [[x, low, high]])),
    })),
    legend: named.length > 1 ? named : [],
    ...(points.length === 0 ? { empty: "nothing measured" } : {}),
  };
}
