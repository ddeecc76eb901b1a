import type { EvalEnd, StepEnd, TrainingEvent } from "../trainer/training-event.js";
import { plotGrid, type PlotOptions, type PlotSeries } from "./line-plot.js";

/** Steps that a smoothed curve looks back over, as a share of all. */
const smoothing = 0.02;
/** More points than this are thinned out; a picture has no room for them. */
const mostPoints = 600;

/** The curves of a run as one SVG: loss, held-out figures, learning rate, temperature and bias. */
export function trainingPicture(title: string, events: readonly TrainingEvent[]): string {
  const steps = events.filter((event): event is StepEnd => event.type === "step-end");
  const evals = events.filter((event): event is EvalEnd => event.type === "eval-end");
  const lossOf = ({ loss }: StepEnd): number => loss;
  const losses = steps.map(lossOf).filter((loss) => loss > 0);
  const loss: PlotOptions = {
    title: "Loss",
    xLabel: "step",
    yLabel: "loss",
    logY: losses.length > 0 && losses.reduce((a, b) => Math.max(a, b)) / losses.reduce((a, b) => Math.min(a, b)) > 20,
    series: [
      { name: "each step", points: curve(steps, lossOf), faint: true, colour: 0 },
      { name: "smoothed", points: smoothed(curve(steps, lossOf)), colour: 0 },
    ],
  };
  const shares = ["imageToText.r1", "textToImage.r1", "imageToText.r5", "textToImage.r5", "zeroShot.top1"].filter((name) => evals.some(({ metrics }) => metrics[name] !== undefined));
  const heldOut: PlotOptions = {
    title: "Held out",
    xLabel: "step",
    yLabel: "share found",
    series: shares.map((name) => ({ name: readable(name), points: evals.flatMap(({ step, metrics }) => (metrics[name] === undefined ? [] : [{ x: step, y: metrics[name] }])) })),
  };
  const figure = (name: string): PlotSeries["points"] => curve(steps, ({ figures }) => figures[name] ?? Number.NaN);
  const logits: PlotOptions = {
    title: "Mean logits",
    xLabel: "step",
    yLabel: "logit",
    series: [
      { name: "matches", points: smoothed(figure("meanPositiveLogit")) },
      { name: "other pairs", points: smoothed(figure("meanNegativeLogit")) },
      { name: "bias b", points: figure("logitBias") },
    ],
  };
  const rate: PlotOptions = { title: "Learning rate", xLabel: "step", yLabel: "rate", series: [{ name: "rate", points: curve(steps, ({ learningRate }) => learningRate) }] };
  return plotGrid(title, [loss, heldOut, logits, rate]);
}

function curve(steps: readonly StepEnd[], value: (step: StepEnd) => number): { x: number; y: number }[] {
  const stride = Math.max(1, Math.ceil(steps.length / mostPoints));
  return steps.flatMap((step, i) => (i % stride === 0 || i === steps.length - 1 ? [{ x: step.step, y: value(step) }] : []));
}

function smoothed(points: readonly { readonly x: number; readonly y: number }[]): { x: number; y: number }[] {
  const keep = 1 - 1 / Math.max(5, points.length * smoothing);
  let mean = Number.NaN;
  return points.map(({ x, y }) => {
    mean = Number.isFinite(mean) ? keep * mean + (1 - keep) * y : y;
    return { x, y: mean };
  });
}

function readable(name: string): string {
  const [task, figure] = name.split(".") as [string, string];
  const tasks: Readonly<Record<string, string>> = { imageToText: "image to text", textToImage: "text to image", zeroShot: "zero-shot" };
  return `${tasks[task] ?? task} ${figure.replace(/^r(\d+)$/, "R@$1").replace(/^top(\d+)$/, "top-$1")}`;
}
