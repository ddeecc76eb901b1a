import { axisTicks, tickText } from "./axis-ticks.js";

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

export interface PlotOptions {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly PlotSeries[];
  /** A logarithmic axis, for powers of two and rates. */
  readonly logX?: boolean;
  readonly logY?: boolean;
  /** Ticks of the x axis, where its values are few. */
  readonly xTicks?: readonly number[];
}

/** Okabe and Ito's colours, which colour-blind readers tell apart. */
const palette = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"] as const;
const margin = { left: 64, right: 16, top: 34, bottom: 44 } as const;
const legendHeight = 17;

/** A plot of lines with their spreads, as an SVG document of its own. */
export function linePlot(options: PlotOptions, width = 640, height = 380): string {
  return svgDocument(width, height, plotPanel(options, width, height));
}

/** Several plots in a grid, one SVG document. */
export function plotGrid(title: string, plots: readonly PlotOptions[], columns = 2, width = 480, height = 300): string {
  const rows = Math.ceil(plots.length / columns);
  const panels = plots.map((plot, i) => `<g transform="translate(${(i % columns) * width},${40 + Math.floor(i / columns) * height})">${plotPanel(plot, width, height)}</g>`);
  const heading = `<text x="${(columns * width) / 2}" y="27" text-anchor="middle" font-size="17" font-weight="600">${escaped(title)}</text>`;
  return svgDocument(columns * width, 40 + rows * height, heading + panels.join(""));
}

function svgDocument(width: number, height: number, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#1b1f24"><rect width="100%" height="100%" fill="#ffffff"/>${content}</svg>\n`;
}

function plotPanel({ title, xLabel, yLabel, series, logX = false, logY = false, xTicks }: PlotOptions, width: number, height: number): string {
  const shown = series.map((one) => ({ ...one, points: one.points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y) && (!logX || x > 0) && (!logY || y > 0)) }));
  const points = shown.flatMap((one) => one.points);
  const heading = `<text x="${width / 2}" y="20" text-anchor="middle" font-size="14" font-weight="600">${escaped(title)}</text>`;
  if (points.length === 0) return `${heading}<text x="${width / 2}" y="${height / 2}" text-anchor="middle" fill="#6a737d">nothing measured</text>`;
  const xs = points.map(({ x }) => x);
  const ys = points.flatMap(({ y, low = y, high = y }) => [low, y, high]).filter((y) => !logY || y > 0);
  const x = axis(xs, logX, margin.left, width - margin.right, xTicks);
  const rows = legendRows(shown, width - margin.left - margin.right);
  const top = margin.top + rows.length * legendHeight;
  const y = axis(ys, logY, height - margin.bottom, top);
  const grid = [
    ...y.ticks.map((tick) => line(margin.left, y.at(tick), width - margin.right, y.at(tick), "#e6e8eb") + label(margin.left - 8, y.at(tick) + 4, "end", tickText(tick))),
    ...x.ticks.map((tick) => line(x.at(tick), height - margin.bottom, x.at(tick), height - margin.bottom + 4, "#8b949e") + label(x.at(tick), height - margin.bottom + 18, "middle", tickText(tick))),
    line(margin.left, height - margin.bottom, width - margin.right, height - margin.bottom, "#8b949e"),
  ];
  const names = [
    label((margin.left + width - margin.right) / 2, height - 8, "middle", xLabel),
    `<text transform="translate(15,${(top + height - margin.bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(yLabel)}</text>`,
  ];
  const lines = shown.map((one, i) => drawn(one, palette[(one.colour ?? i) % palette.length] as string, (at) => x.at(at), (at) => y.at(at)));
  return [heading, ...grid, ...names, ...lines, legend(rows, width)].join("");
}

function drawn({ points, faint = false }: PlotSeries, colour: string, x: (value: number) => number, y: (value: number) => number): string {
  const path = points.map((point, i) => `${i === 0 ? "M" : "L"}${round(x(point.x))},${round(y(point.y))}`).join("");
  const spread = points.filter((point) => point.low !== undefined && point.high !== undefined);
  const upper = spread.map((point) => `${round(x(point.x))},${round(y(point.high as number))}`);
  const lower = spread.map((point) => `${round(x(point.x))},${round(y(point.low as number))}`).reverse();
  const band = spread.length > 1 ? `<polygon points="${[...upper, ...lower].join(" ")}" fill="${colour}" opacity="0.16"/>` : "";
  const dots = !faint && points.length <= 24 ? points.map((point) => `<circle cx="${round(x(point.x))}" cy="${round(y(point.y))}" r="3" fill="${colour}"/>`).join("") : "";
  return `${band}<path d="${path}" fill="none" stroke="${colour}" stroke-width="${faint ? 1 : 2}" stroke-linejoin="round"${faint ? ' opacity="0.3"' : ""}/>${dots}`;
}

interface LegendRow {
  readonly entries: readonly { readonly name: string; readonly colour: string; readonly left: number }[];
  readonly width: number;
}

/** Names of the lines in rows under the title; none for a single line. */
function legendRows(series: readonly PlotSeries[], width: number): readonly LegendRow[] {
  const named = series.flatMap((one, i) => (one.faint ? [] : [{ name: one.name, colour: palette[(one.colour ?? i) % palette.length] as string }]));
  if (named.length < 2) return [];
  const rows: { entries: { name: string; colour: string; left: number }[]; width: number }[] = [];
  for (const { name, colour } of named) {
    const own = 38 + name.length * 6.6;
    let row = rows.at(-1);
    if (!row || row.width + own > width) rows.push((row = { entries: [], width: 0 }));
    row.entries.push({ name, colour, left: row.width });
    row.width += own;
  }
  return rows;
}

function legend(rows: readonly LegendRow[], width: number): string {
  return rows
    .map((row, i) => {
      const left = margin.left + (width - margin.left - margin.right - row.width) / 2;
      const top = margin.top + i * legendHeight;
      return row.entries.map((entry) => `${line(left + entry.left, top, left + entry.left + 18, top, entry.colour, 3)}${label(left + entry.left + 24, top + 4, "start", entry.name)}`).join("");
    })
    .join("");
}

interface Axis {
  readonly ticks: readonly number[];
  at(value: number): number;
}

function axis(values: readonly number[], log: boolean, from: number, to: number, given?: readonly number[]): Axis {
  const scale = log ? Math.log : (value: number): number => value;
  let [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - Math.max(1e-9, Math.abs(low) * 0.1), high + Math.max(1e-9, Math.abs(high) * 0.1)];
  const ticks = given ?? axisTicks(low, high, log);
  const start = scale(Math.min(low, ticks[0] ?? low));
  const end = scale(Math.max(high, ticks.at(-1) ?? high));
  return { ticks, at: (value) => from + ((scale(value) - start) / (end - start)) * (to - from) };
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string, width = 1): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${colour}" stroke-width="${width}"/>`;
}

function label(x: number, y: number, anchor: "start" | "middle" | "end", text: string): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escaped(text)}</text>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
