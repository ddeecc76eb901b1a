import { linearAxis, logAxis } from "../plots/axis.js";
import { smoothed, thinned } from "../plots/curve-points.js";
import { numberText, percentText } from "../plots/number-text.js";
import { drawPanel, ink, lineColors, type Curve, type LegendEntry, type Panel, type Point } from "../plots/panel.js";
import { svgDocument, svgText } from "../plots/svg-document.js";
import type { EvalEnd, StepEnd, TrainingEvent } from "../trainer/training-event.js";

const [blue, orange, green] = lineColors as readonly [string, string, string];
const mostPoints = 600;

/** Figures of an evaluation that are drawn, where there are such: what they are called in a log and in the picture. */
const heldOut: readonly (readonly [metric: string, name: string])[] = [
  ["imageToText.r1", "image → text R@1"],
  ["textToImage.r1", "text → image R@1"],
  ["zeroShot.top1", "zero-shot top-1"],
  ["exactMatch", "answers right to the letter"],
  ["tokenAccuracy", "tokens right"],
];

/**
 * A run as a figure of panels, as an SVG file's text: loss, held-out figures, learning rate, norm of the gradients, and of a
 * run on pairs mean logits, temperature and bias. Axes are logarithmic where curves fall tenfold.
 * @param events of a run, in their order; the text depends on nothing else
 * @param samples what the steps' samples are
 */
export function trainingPicture(title: string, events: readonly TrainingEvent[], samples: "pairs" | "conversations" = "pairs"): string {
  const steps = events.filter((event) => event.type === "step-end");
  const evaluations = events.filter((event) => event.type === "eval-end");
  const best = events.findLast((event) => event.type === "checkpoint-saved" && event.best)?.step;
  const panels = [lossPanel(steps), evaluationPanel(evaluations, steps.at(-1)?.step, best, samples), ...(samples === "pairs" ? [logitPanel(steps), temperaturePanel(steps)] : []), ratePanel(steps), normPanel(steps)];
  const [width, panelHeight, margin, gap, heading] = [1080, 320, 28, 36, 84];
  const panelWidth = (width - 2 * margin - gap) / 2;
  const body = panels.flatMap((panel, i) =>
    drawPanel(panel, { left: margin + (i % 2) * (panelWidth + gap), top: heading + Math.floor(i / 2) * (panelHeight + gap), width: panelWidth, height: panelHeight }),
  );
  const texts = [svgText(margin, 36, title, { size: 20, fill: ink.title, bold: true }), svgText(margin, 58, summary(steps, samples), { size: 13, fill: ink.text })];
  return svgDocument(width, heading + (panels.length / 2) * (panelHeight + gap), title, [...texts, ...body]);
}

function summary(steps: readonly StepEnd[], unit: string): string {
  const last = steps.at(-1);
  if (!last) return "no step was taken";
  const samples = steps.reduce((sum, step) => sum + step.samples, 0);
  const seconds = steps.reduce((sum, { stepMs }) => sum + stepMs, 0) / 1000;
  return [`${numberText(last.step, 9)} of ${numberText(last.totalSteps, 9)} steps`, `${numberText(samples, 12)} ${unit}`, `${numberText(samples / seconds)} ${unit}/s`].join(" · ");
}

function smoothCurve(points: readonly Point[]): readonly Point[] {
  return smoothed(points, Math.max(2, points.length / 60));
}

function lossPanel(steps: readonly StepEnd[]): Panel {
  return noisyPanel(steps, "Loss", "loss", blue, ({ loss }) => loss);
}

function normPanel(steps: readonly StepEnd[]): Panel {
  return noisyPanel(steps, "Norm of the gradients", "norm before clipping", green, ({ gradientNorm }) => gradientNorm);
}

/** Each step's value with a smoothed line over it. */
function noisyPanel(steps: readonly StepEnd[], title: string, yLabel: string, color: string, figure: (step: StepEnd) => number): Panel {
  const all = curveOf(steps, figure);
  const raw = thinned(all, mostPoints);
  const smooth = smoothCurve(all);
  const values = raw.map(([, y]) => y);
  const trend = smooth.map(([, y]) => y);
  const fall = values.every((value) => value > 0) ? Math.max(...trend) / Math.min(...trend) : 1;
  return {
    ...common(steps, title, yLabel),
    y: fall >= 10 ? logAxis(values) : linearAxis(values, fall > 2 ? { include: [0] } : {}),
    curves: [
      { points: raw, color, width: 1, opacity: 0.28 },
      { points: thinned(smooth, mostPoints), color },
    ],
    legend: all.length === 0 ? [] : [
      { name: "each step", color, opacity: 0.35 },
      { name: `smoothed, ${numberText(trend.at(-1) as number)} at the end`, color },
    ],
  };
}

function evaluationPanel(evaluations: readonly EvalEnd[], lastStep: number | undefined, best: number | undefined, unit: string): Panel {
  const known = new Set(evaluations.flatMap(({ metrics }) => Object.keys(metrics)));
  const usual = heldOut.filter(([metric]) => known.has(metric));
  const drawn = usual.length > 0 ? usual : [...known].slice(0, 4).map((metric) => [metric, metric] as const);
  const lines = drawn.map(([metric, name], i) => {
    const points = evaluations.flatMap(({ step, metrics }): Point[] => (Number.isFinite(metrics[metric]) ? [[step, metrics[metric] as number]] : []));
    return { name, points, color: lineColors[i % lineColors.length] as string };
  });
  const values = lines.flatMap(({ points }) => points.map(([, y]) => y));
  const shares = usual.length > 0;
  const text = shares ? percentText : numberText;
  const curves = lines.map(({ points, color }): Curve => ({ points, color, dots: points.length <= 40 }));
  const legend = lines.map(({ name, points, color }): LegendEntry => ({ name: `${name}  ${text(points.at(-1)?.[1] ?? Number.NaN)}`, color }));
  return {
    ...common(lastStep === undefined ? evaluations : [...evaluations, { step: lastStep }], `Held-out ${unit}`, shares ? (unit === "pairs" ? "share of queries" : "share") : "figure"),
    y: linearAxis(values, shares ? { include: [0], percent: true } : {}),
    curves,
    legend,
    ...(evaluations.length === 0 ? { empty: "nothing was evaluated" } : {}),
    ...(best === undefined ? {} : { marks: [{ x: best, name: "best" }] }),
  };
}

function logitPanel(steps: readonly StepEnd[]): Panel {
  const lines = [
    { name: "matches", color: blue, points: curveOf(steps, ({ figures }) => figures["meanPositiveLogit"]) },
    { name: "other pairs", color: orange, points: curveOf(steps, ({ figures }) => figures["meanNegativeLogit"]) },
  ].filter(({ points }) => points.length > 0);
  const curves = lines.flatMap(({ color, points }): Curve[] => [
    { points: thinned(points, mostPoints), color, width: 1, opacity: 0.28 },
    { points: thinned(smoothCurve(points), mostPoints), color },
  ]);
  const panel = common(steps, "Mean logits", "logit");
  return {
    ...panel,
    y: linearAxis(curves.flatMap(({ points }) => points.map(([, y]) => y))),
    curves,
    legend: lines.map(({ name, color, points }) => ({ name: `${name}  ${numberText(smoothCurve(points).at(-1)?.[1] ?? 0)}`, color })),
    ...(lines.length === 0 ? { empty: "this run has none" } : {}),
  };
}

function ratePanel(steps: readonly StepEnd[]): Panel {
  const points = thinned(curveOf(steps, ({ learningRate }) => learningRate), mostPoints);
  return { ...common(steps, "Learning rate", "rate"), y: linearAxis(points.map(([, y]) => y), { include: [0] }), curves: [{ points, color: green }], legend: [] };
}

function temperaturePanel(steps: readonly StepEnd[]): Panel {
  const t = thinned(curveOf(steps, ({ figures }) => figures["temperature"]), mostPoints);
  const b = thinned(curveOf(steps, ({ figures }) => figures["logitBias"]), mostPoints);
  const panel = common(steps, "Temperature and bias", "temperature t");
  const legend = (name: string, points: readonly Point[], color: string): LegendEntry[] => (points.length === 0 ? [] : [{ name: `${name}  ${numberText(points.at(-1)?.[1] ?? 0, 4)}`, color }]);
  const left: Panel = { ...panel, y: linearAxis(t.map(([, y]) => y)), curves: [{ points: t, color: blue }], legend: [...legend("t", t, blue), ...legend("b", b, orange)] };
  if (b.length === 0) return t.length > 0 ? left : { ...left, empty: "this run has neither", curves: [] };
  const right = { axis: linearAxis(b.map(([, y]) => y)), label: "bias b", color: orange, leftColor: blue };
  return { ...left, right, curves: [...left.curves, { points: b, color: orange, right: true }] };
}

function common(events: readonly { readonly step: number }[], title: string, yLabel: string): Pick<Panel, "title" | "xLabel" | "yLabel" | "x" | "empty"> {
  const x = linearAxis(events.map(({ step }) => step), { tight: true, whole: true, include: [0] });
  return { title, xLabel: "step", yLabel, x, ...(events.length === 0 ? { empty: "nothing yet" } : {}) };
}

function curveOf(steps: readonly StepEnd[], figure: (step: StepEnd) => number | undefined): readonly Point[] {
  return steps.flatMap((event): Point[] => {
    const y = figure(event);
    return y !== undefined && Number.isFinite(y) ? [[event.step, y]] : [];
  });
}
