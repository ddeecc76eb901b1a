import { describe, expect, it } from "vitest";
import { linePlot, plotGrid, type PlotOptions } from "../../src/plots/line-plot.js";
import { textsOf, xmlElements } from "./xml-elements.js";

const plot: PlotOptions = {
  title: "sigmoid & softmax, \"R@1\" < 1",
  xLabel: "batch (pairs)",
  yLabel: "recall@1",
  logX: true,
  percent: true,
  series: [
    { name: "sigmoid", points: [{ x: 64, y: 0.3, low: 0.25, high: 0.33 }, { x: 16, y: 0.2, low: 0.18, high: 0.21 }] },
    { name: "softmax", points: [{ x: 16, y: 0.1 }, { x: 64, y: 0.28 }] },
  ],
};

describe("linePlot", () => {
  it("is a well-formed figure with its title, labels, names and ticks", () => {
    expect(textsOf(linePlot(plot))).toEqual(expect.arrayContaining([plot.title, "batch (pairs)", "recall@1", "sigmoid", "softmax", "16", "64", "10%", "30%"]));
  });

  it("has a line a series, from left to right, and a band where there is a spread", () => {
    const elements = xmlElements(linePlot(plot));
    const lines = elements.filter(({ name }) => name === "polyline").map(({ attributes }) => numbers(attributes["points"]));
    expect(lines).toHaveLength(2);
    for (const line of lines) expect((line[0] as number[])[0]).toBeLessThan((line[1] as number[])[0] as number);
    const bands = elements.filter(({ name }) => name === "polygon").map(({ attributes }) => numbers(attributes["points"]));
    expect(bands).toHaveLength(1);
    // The line lies in its band: y grows downwards, upper edge first.
    const [upper, , , lower] = bands[0] as [number[], number[], number[], number[]];
    const [, y] = (lines[0] as number[][])[0] as number[];
    expect(y).toBeGreaterThan(upper[1] as number);
    expect(y).toBeLessThan(lower[1] as number);
  });

  it("puts equal factors at equal distances on a logarithmic axis", () => {
    const xs = numbers(xmlElements(linePlot({ ...plot, series: [{ name: "a", points: [16, 64, 256].map((x) => ({ x, y: x })) }] })).find(({ name }) => name === "polyline")?.attributes["points"]).map(([x]) => x as number);
    expect((xs[1] as number) - (xs[0] as number)).toBeCloseTo((xs[2] as number) - (xs[1] as number), 0);
  });

  it("leaves out what no axis can show, and says where nothing is left", () => {
    const svg = linePlot({ ...plot, series: [{ name: "a", points: [{ x: 0, y: 1 }, { x: 8, y: Number.NaN }] }] });
    expect(textsOf(svg)).toContain("nothing measured");
    expect(svg).not.toMatch(/NaN|Infinity/);
  });
});

describe("plotGrid", () => {
  it("has every plot's title below a common one", () => {
    const svg = plotGrid("Runs", [plot, { ...plot, title: "second" }, { ...plot, title: "third" }]);
    expect(textsOf(svg)).toEqual(expect.arrayContaining(["Runs", plot.title, "second", "third"]));
    expect(xmlElements(svg).filter(({ name }) => name === "polyline")).toHaveLength(6);
  });
});

function numbers(points: string | undefined): number[][] {
  return (points ?? "").split(" ").map((point) => point.split(",").map(Number));
}
