import type { Axis } from "./axis.js";
import { px, svgLine, svgText, textWidth } from "./svg-document.js";

/** Colours that stay apart for people who see few of them (after Okabe and Ito), darkened for thin lines on white. */
export const lineColors: readonly string[] = ["#1f6fb4", "#d55e00", "#12876a", "#9a4d9e", "#b8860b", "#5b6470"];
export const ink = { title: "#16191d", text: "#4b535c", grid: "#e7eaed", axis: "#aeb5bd" } as const;

export type Point = readonly [x: number, y: number];

/** One line of a panel. */
export interface Curve {
  readonly points: readonly Point[];
  readonly color: string;
  readonly width?: number;
  readonly opacity?: number;
  /** A dot at each point. */
  readonly dots?: boolean;
  /** Lowest and highest y at each x, shown as a band behind the line. */
  readonly band?: readonly (readonly [x: number, low: number, high: number])[];
  /** Read against the axis on the right. */
  readonly right?: boolean;
}

export interface LegendEntry {
  readonly name: string;
  readonly color: string;
  readonly opacity?: number;
}

/** Axes, curves and their names. */
export interface Panel {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly x: Axis;
  readonly y: Axis;
  /** A second axis, of the curves that say so; both axes then take their colours. */
  readonly right?: { readonly axis: Axis; readonly label: string; readonly color: string; readonly leftColor: string };
  readonly curves: readonly Curve[];
  readonly legend: readonly LegendEntry[];
  /** Places on the x axis that are told of. */
  readonly marks?: readonly { readonly x: number; readonly name: string }[];
  /** Stands in the middle where there is nothing to draw. */
  readonly empty?: string;
}

/** Where a panel lies, pixels. */
export interface Frame {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const fontSize = 12;
const titleSize = 15;

/** A panel as SVG elements: title, legend, grid, axes, bands, lines. */
export function drawPanel(panel: Panel, frame: Frame): readonly string[] {
  const { x, y, right, curves } = panel;
  const legend = drawLegend(panel.legend, frame.left, frame.top + 34, frame.width);
  const widest = Math.max(...y.ticks.map(({ text }) => textWidth(text, fontSize)), 0);
  const area = { left: frame.left + Math.max(58, widest + 30), right: frame.left + frame.width - (right ? 58 : 14), top: frame.top + 44 + legend.height, bottom: frame.top + frame.height - 46 };
  const at = {
    x: (value: number): number => area.left + x.place(value) * (area.right - area.left),
    y: (value: number, axis: Axis = y): number => area.bottom - axis.place(value) * (area.bottom - area.top),
  };
  const middle = (area.top + area.bottom) / 2;
  const leftInk = right?.leftColor ?? ink.text;
  const out: string[] = [svgText(frame.left, frame.top + 14, panel.title, { size: titleSize, fill: ink.title, bold: true }), ...legend.elements];
  for (const { at: value, text } of panel.empty === undefined ? y.ticks : []) {
    out.push(svgLine(area.left, at.y(value), area.right, at.y(value), ink.grid));
    out.push(svgText(area.left - 8, at.y(value) + 4, text, { size: fontSize, fill: leftInk, anchor: "end" }));
  }
  for (const { at: value, text } of panel.empty === undefined && right ? right.axis.ticks : []) {
    out.push(svgText(area.right + 8, at.y(value, right?.axis) + 4, text, { size: fontSize, fill: right?.color ?? ink.text }));
  }
  for (const { at: value, text } of roomFor(x, at.x)) {
    out.push(svgLine(at.x(value), area.bottom, at.x(value), area.bottom + 5, ink.axis));
    out.push(svgText(at.x(value), area.bottom + 20, text, { size: fontSize, fill: ink.text, anchor: "middle" }));
  }
  out.push(svgLine(area.left, area.bottom, area.right, area.bottom, ink.axis));
  out.push(svgText((area.left + area.right) / 2, area.bottom + 40, withUnit(panel.xLabel, x), { size: fontSize, fill: ink.text, anchor: "middle" }));
  out.push(svgText(frame.left + 10, middle, withUnit(panel.yLabel, y), { size: fontSize, fill: leftInk, anchor: "middle", rotate: -90 }));
  if (right) out.push(svgText(frame.left + frame.width - 4, middle, withUnit(right.label, right.axis), { size: fontSize, fill: right.color, anchor: "middle", rotate: -90 }));
  for (const { x: value, name } of panel.marks ?? []) {
    const late = x.place(value) > 0.8;
    out.push(svgLine(at.x(value), area.top, at.x(value), area.bottom, ink.axis, 1, "3 3"));
    out.push(svgText(at.x(value) + (late ? -5 : 5), area.bottom - 7, name, { size: 11, fill: ink.text, anchor: late ? "end" : "start" }));
  }
  for (const { band = [], color, right: onRight } of curves) if (band.length > 1) out.push(drawBand(band, color, at.x, (value) => at.y(value, onRight ? right?.axis : y)));
  for (const curve of curves) out.push(...drawCurve(curve, at.x, (value) => at.y(value, curve.right ? right?.axis : y)));
  if (panel.empty !== undefined) out.push(svgText((area.left + area.right) / 2, middle, panel.empty, { size: fontSize, fill: ink.text, anchor: "middle" }));
  return out;
}

function withUnit(label: string, { unit }: Axis): string {
  return unit === undefined ? label : `${label} (${unit})`;
}

function drawCurve({ points, color, width = 2, opacity = 1, dots = false }: Curve, x: (value: number) => number, y: (value: number) => number): readonly string[] {
  const seen = points.filter((point) => point.every(Number.isFinite));
  const places = seen.map(([at, value]) => `${px(x(at))},${px(y(value))}`);
  const line = `<polyline points="${places.join(" ")}" fill="none" stroke="${color}" stroke-width="${width}" stroke-opacity="${opacity}" stroke-linejoin="round" stroke-linecap="round"/>`;
  const circle = ([cx, cy]: Point): string => `<circle cx="${px(x(cx))}" cy="${px(y(cy))}" r="3.2" fill="${color}" stroke="#ffffff" stroke-width="1"/>`;
  return [...(seen.length > 1 ? [line] : []), ...(dots || seen.length === 1 ? seen.map(circle) : [])];
}

function drawBand(band: readonly (readonly [number, number, number])[], color: string, x: (value: number) => number, y: (value: number) => number): string {
  const upper = band.map(([at, , high]) => `${px(x(at))},${px(y(high))}`);
  const lower = band.toReversed().map(([at, low]) => `${px(x(at))},${px(y(low))}`);
  return `<polygon points="${[...upper, ...lower].join(" ")}" fill="${color}" fill-opacity="0.15"/>`;
}

/** Names beside strokes of their colours, in rows no wider than the panel. */
function drawLegend(entries: readonly LegendEntry[], left: number, top: number, width: number): { readonly elements: readonly string[]; readonly height: number } {
  const elements: string[] = [];
  let [x, y] = [left, top];
  for (const { name, color, opacity = 1 } of entries) {
    const needed = 26 + textWidth(name, fontSize) + 16;
    if (x > left && x + needed > left + width) [x, y] = [left, y + 18];
    elements.push(`<line x1="${px(x)}" y1="${px(y - 4)}" x2="${px(x + 18)}" y2="${px(y - 4)}" stroke="${color}" stroke-width="3" stroke-opacity="${opacity}" stroke-linecap="round"/>`);
    elements.push(svgText(x + 26, y, name, { size: fontSize, fill: ink.text }));
    x += needed;
  }
  return { elements, height: entries.length === 0 ? 0 : y - top + 6 };
}

/** Ticks of an x axis whose texts do not touch; later ones give way. */
function roomFor(axis: Axis, x: (value: number) => number): readonly Axis["ticks"][number][] {
  const kept: Axis["ticks"][number][] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const tick of axis.ticks) {
    const half = textWidth(tick.text, fontSize) / 2;
    if (x(tick.at) - half < end + 6) continue;
    kept.push(tick);
    end = x(tick.at) + half;
  }
  return kept;
}
