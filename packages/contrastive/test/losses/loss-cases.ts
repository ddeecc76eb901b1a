import { grad, Graph, openSession, type Tensor, type TensorValue } from "@sightline/graph";
import { denseLabels, pairLabels, type PairEmbeddings, type PairLabels, type PairLossResult, type Temperature } from "../../src/index.js";

/** A small deterministic stream of numbers in [-1, 1). */
export function seededValues(count: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

export function seededEmbeddings(images: number, texts: number, width: number, seed = 1): PairEmbeddings {
  return { width, images: seededValues(images * width, seed), texts: seededValues(texts * width, seed + 1) };
}

/** Five images and seven texts: several texts an image, a duplicate, weights, a text of no image. */
export const mixedLabels: PairLabels = pairLabels({
  images: 5,
  imageOfText: [0, 0, 1, 2, 3, 4, -1],
  captions: ["a cat", "two cats", "A cat.", "a dog", "a tree", "a hat", "nothing"],
  weights: [1, 0.5, 1, 2, 1, 0.25, 1],
  negativeWeight: 0.75,
});

export const temperature: Temperature = { logitScale: Math.log(4), logitBias: -1.5 };

/** Largest difference, relative to the largest entry of `want`. */
export function relativeError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  const size = Math.max(1e-12, ...Array.from(want, Math.abs));
  return Math.max(...Array.from(want, (value, i) => Math.abs(value - got[i]!))) / size;
}

export type LossGradients = Pick<PairLossResult, "imageGradients" | "textGradients" | "logitScaleGradient" | "logitBiasGradient">;

type Names = "images" | "texts" | "labels" | "logitScale" | "logitBias";
export type GraphLoss = (tensors: Readonly<Record<Names, Tensor>>) => Tensor;

/** A loss in a graph and its gradients by grad(), in the shape of the pure functions' results. */
export async function graphResult(build: GraphLoss, embeddings: PairEmbeddings, labels: PairLabels, at: Temperature, usesBias = true): Promise<LossGradients & { readonly loss: number }> {
  const graph = new Graph();
  const { tensors, feeds } = lossInputs(graph, embeddings, labels, at);
  const loss = build(tensors);
  graph.output("loss", loss);
  const wrt = (["images", "texts", "logitScale", "logitBias"] as const).filter((name) => usesBias || name !== "logitBias");
  grad(loss, wrt.map((name) => tensors[name])).forEach((gradient, i) => graph.output(`d ${wrt[i]}`, gradient));
  await using session = await openSession(graph, { device: "cpu", threads: 1 });
  const results = await session.run(feeds);
  const data = (name: string): Float32Array => (results[name]?.data ?? new Float32Array(1)) as Float32Array;
  return {
    loss: data("loss")[0]!,
    imageGradients: data("d images"),
    textGradients: data("d texts"),
    logitScaleGradient: data("d logitScale")[0]!,
    logitBiasGradient: data("d logitBias")[0]!,
  };
}

/** The loss alone, for finite differences: a function of the embeddings. */
export async function withGraphLoss<T>(build: GraphLoss, embeddings: PairEmbeddings, labels: PairLabels, use: (loss: (e: PairEmbeddings, t: Temperature) => Promise<number>) => Promise<T>): Promise<T> {
  const graph = new Graph();
  graph.output("loss", build(lossInputs(graph, embeddings, labels, temperature).tensors));
  await using session = await openSession(graph, { device: "cpu", threads: 1 });
  return await use(async (e, t) => {
    const results = await session.run(lossInputs(new Graph(), e, labels, t).feeds);
    return (results["loss"]!.data as Float32Array)[0]!;
  });
}

function lossInputs(graph: Graph, { width, images, texts }: PairEmbeddings, labels: PairLabels, at: Temperature): { tensors: Record<Names, Tensor>; feeds: Record<Names, TensorValue> } {
  const value = (shape: readonly number[], data: Float32Array): TensorValue => ({ dtype: "float32", shape, data });
  const feeds: Record<Names, TensorValue> = {
    images: value([labels.images, width], images),
    texts: value([labels.texts, width], texts),
    labels: value([labels.images, labels.texts], denseLabels(labels)),
    logitScale: value([1], Float32Array.of(at.logitScale)),
    logitBias: value([1], Float32Array.of(at.logitBias)),
  };
  const tensors = Object.fromEntries(Object.entries(feeds).map(([name, { shape }]) => [name, graph.input(name, "float32", shape)]));
  return { tensors: tensors as Record<Names, Tensor>, feeds };
}

/** Derivatives by a five-point stencil, laid out like a loss' result. */
export async function finiteDifferences(
  loss: (e: PairEmbeddings, t: Temperature) => number | Promise<number>,
  embeddings: PairEmbeddings,
  at: Temperature,
  step: number,
): Promise<LossGradients> {
  const slope = async (f: (offset: number) => number | Promise<number>): Promise<number> => {
    const near = (await f(step)) - (await f(-step));
    return (8 * near - ((await f(2 * step)) - (await f(-2 * step)))) / (12 * step);
  };
  const rows = async (name: "images" | "texts"): Promise<Float32Array> => {
    const slopes = new Float32Array(embeddings[name].length);
    for (let i = 0; i < slopes.length; i++) {
      slopes[i] = await slope((offset) => {
        const moved = Float32Array.from(embeddings[name]);
        moved[i]! += offset;
        return loss({ ...embeddings, [name]: moved }, at);
      });
    }
    return slopes;
  };
  return {
    imageGradients: await rows("images"),
    textGradients: await rows("texts"),
    logitScaleGradient: await slope((offset) => loss(embeddings, { ...at, logitScale: at.logitScale + offset })),
    logitBiasGradient: await slope((offset) => loss(embeddings, { ...at, logitBias: at.logitBias + offset })),
  };
}
