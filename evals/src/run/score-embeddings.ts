import { classEmbeddings, retrieval, unitRows, zeroShotAccuracy, type RetrievalSet } from "sightline";
import { EvalError } from "../eval-error.js";
import { CalibrationCounts } from "../metrics/embeddings/calibration.js";
import type { AnsweredSample, TaskScores } from "../task-metric.js";
import type { EmbeddingTask } from "../task.js";
import type { SampleRecord } from "./sample-journal.js";
import type { Source } from "./run-task.js";

/** Figures of a task that compares embeddings, from those in the run's records. */
export async function scoreEmbeddings(task: EmbeddingTask, folder: string, records: readonly SampleRecord[], answered: readonly AnsweredSample[], source: Source, signal: AbortSignal): Promise<TaskScores> {
  if (source.kind === "predictions") throw new EvalError("bad-input", `eval: ${task.name} compares embeddings; --predictions is for tasks that are answered in words`);
  const images = joined(records.map(({ image }) => floats(image)));
  const width = images.length / records.length;
  return task.kind === "retrieval" ? retrievalScores(records, images, width, (await source.embedder()).sigmoid) : zeroShotScores(task, folder, answered, images, width, source, signal);
}

function retrievalScores(records: readonly SampleRecord[], images: Float32Array, width: number, sigmoid: Sigmoid | undefined): TaskScores {
  const texts = records.map(({ texts: ofImage }) => floats(ofImage));
  const set = { width, images, texts: joined(texts), imageOfText: texts.flatMap((ofImage, i) => Array.from({ length: ofImage.length / width }, () => i)) };
  const { imageToText, textToImage } = retrieval(set, [1, 5, 10]);
  const figures: Record<string, number> = {};
  for (const [k, share] of imageToText.at) figures[`image-to-text R@${k}`] = share;
  for (const [k, share] of textToImage.at) figures[`text-to-image R@${k}`] = share;
  const { foundFirst, ece } = lookAtPairs(set, sigmoid);
  // CLIP's logits are no probabilities of single pairs.
  if (ece !== undefined) figures["ece"] = ece;
  return { figures, perSample: foundFirst };
}

interface Sigmoid {
  readonly scale: number;
  readonly bias: number;
}

/** Whether each image's nearest text is one of its own, 1 or 0; and, over all pairs, how far SigLIP's probabilities are from what is true. */
function lookAtPairs({ width, images, texts, imageOfText }: RetrievalSet, sigmoid: Sigmoid | undefined): { readonly foundFirst: readonly number[]; readonly ece: number | undefined } {
  const [x, y] = [unitRows(images, width), unitRows(texts, width)];
  const counts = new CalibrationCounts();
  const foundFirst = Array.from({ length: x.length / width }, (_, i) => {
    let [own, other] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let j = 0; j < imageOfText.length; j++) {
      const cosine = dot(x, i, y, j, width);
      const right = imageOfText[j] === i;
      if (right) own = Math.max(own, cosine);
      else other = Math.max(other, cosine);
      if (sigmoid) counts.add(1 / (1 + Math.exp(-(sigmoid.scale * cosine + sigmoid.bias))), right);
    }
    return own > other ? 1 : 0;
  });
  return { foundFirst, ece: sigmoid && counts.calibration().ece };
}

async function zeroShotScores(
  task: EmbeddingTask,
  folder: string,
  answered: readonly AnsweredSample[],
  images: Float32Array,
  width: number,
  source: Extract<Source, { kind: "model" }>,
  signal: AbortSignal,
): Promise<TaskScores> {
  const classes = await task.classes?.(folder);
  if (!classes) throw new EvalError("data-missing", `eval: ${task.name}: expected names of classes, found none`);
  const embedder = await source.embedder();
  const rows: Float32Array[] = [];
  for (const name of classes.names) rows.push(await embedder.texts(classes.templates.map((template) => template.replaceAll("{label}", name)), signal));
  const embedded = classEmbeddings(joined(rows), width, classes.templates.length);
  const labels = answered.map(({ sample }) => Number(sample.references[0]));
  const { top1, top5 } = zeroShotAccuracy(images, embedded, labels, width);
  const perSample = labels.map((label, i) => zeroShotAccuracy(images.subarray(i * width, (i + 1) * width), embedded, [label], width).top1);
  return { figures: { top1, top5 }, perSample };
}

function dot(a: Float32Array, i: number, b: Float32Array, j: number, width: number): number {
  let sum = 0;
  for (let k = 0; k < width; k++) sum += (a[i * width + k] as number) * (b[j * width + k] as number);
  return sum;
}

function floats(text: string | undefined): Float32Array {
  const bytes = new Uint8Array(Buffer.from(text ?? "", "base64"));
  return new Float32Array(bytes.buffer, 0, bytes.byteLength / 4);
}

function joined(rows: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0));
  let at = 0;
  for (const row of rows) {
    all.set(row, at);
    at += row.length;
  }
  return all;
}
