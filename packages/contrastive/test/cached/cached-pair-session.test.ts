import { Graph, type TensorValue } from "@sightline/graph";
import { describe, expect, it } from "vitest";

import {
  CachedPairSession,
  ChunkedSigmoidLoss,
  denseLabels,
  pairLabels,
  rowsInMemory,
  sigmoidLoss,
  sigmoidPairLoss,
  softmaxLoss,
  softmaxPairLoss,
  trainableParameters,
  TrainSession,
  type EncoderGraph,
  type ParameterSet,
  type RowSource,
} from "../../src/index.js";
import { seededValues } from "../losses/loss-cases.js";
import { tiny, tinyImageTower, tinyTextTower } from "../tiny-towers.js";

const options = { device: "cpu", threads: 1 } as const;
const images = 11;
const texts = 14;
const imageOfText = Int32Array.from({ length: texts }, (_, i) => i % images);
const labels = pairLabels({ images, imageOfText, captions: Array.from({ length: texts }, (_, i) => `word ${i % 9}`) });
const pixels: TensorValue = { dtype: "float32", shape: [images, tiny.tokens, tiny.pixels], data: seededValues(images * tiny.tokens * tiny.pixels, 1) };
const tokens: TensorValue = { dtype: "int64", shape: [texts, tiny.tokens], data: BigInt64Array.from({ length: texts * tiny.tokens }, (_, i) => BigInt((i * 7) % tiny.vocabulary)) };
const batch = { images: rowsInMemory({ pixels }), texts: rowsInMemory({ tokens }), labels };

function encoder(tower: typeof tinyImageTower, chunk: number): () => EncoderGraph {
  return () => {
    const graph = new Graph();
    const { parameter, tensors } = trainableParameters(graph);
    return { graph, embeddings: tower(graph, parameter, chunk), parameters: tensors };
  };
}

function initialise(parameters: ParameterSet): void {
  parameters.slots.forEach(({ name }, i) => {
    if (name === "logit_scale") parameters.get(name).fill(Math.log(5));
    else if (name === "logit_bias") parameters.get(name).fill(-2);
    else parameters.get(name).set(seededValues(parameters.get(name).length, 100 + i));
  });
}

/** The gradients of the whole batch in one graph, by name. */
async function oneBatch(softmax: boolean): Promise<{ loss: number; gradients: Map<string, Float32Array> }> {
  const graph = new Graph();
  const { parameter, tensors } = trainableParameters(graph);
  const image = tinyImageTower(graph, parameter, images);
  const text = tinyTextTower(graph, parameter, texts);
  const signs = graph.input("labels", "float32", [images, texts]);
  const t = parameter("logit_scale", [1]);
  const loss = softmax ? softmaxLoss(image, text, signs, t) : sigmoidLoss(image, text, signs, t, parameter("logit_bias", [1]));
  await using session = await TrainSession.open({ graph, loss, parameters: tensors }, options);
  initialise(session.parameters);
  const result = await session.step({ pixels, tokens, labels: { dtype: "float32", shape: [images, texts], data: denseLabels(labels) } });
  return { loss: result.loss, gradients: new Map(session.parameters.slots.map(({ name }) => [name, session.parameters.view(session.gradients, name).slice()])) };
}

/** |got - want| / |want| over all parameters together. */
function relativeDistance(session: CachedPairSession, want: ReadonlyMap<string, Float32Array>): number {
  let [difference, size] = [0, 0];
  for (const [name, values] of want) {
    const got = session.parameters.view(session.gradients, name);
    values.forEach((value, i) => {
      difference += (got[i]! - value) ** 2;
      size += value ** 2;
    });
  }
  return Math.sqrt(difference / size);
}

describe("CachedPairSession", () => {
  it.each([
    [1, 1],
    [3, 5],
    [4, 2],
    [11, 14],
    [16, 16],
  ])("has the gradients of the whole batch in chunks of %i images and %i texts", async (imageChunk, textChunk) => {
    const want = await oneBatch(false);
    await using loss = await ChunkedSigmoidLoss.open({ ...options, width: tiny.embedding, chunk: 4 });
    await using session = await CachedPairSession.open({
      ...options,
      images: encoder(tinyImageTower, imageChunk),
      texts: encoder(tinyTextTower, textChunk),
      loss: (...of) => loss.evaluate(...of),
    });
    initialise(session.parameters);
    const result = await session.step(batch);
    expect(result.loss).toBeCloseTo(want.loss, 5);
    expect(relativeDistance(session, want.gradients)).toBeLessThan(1e-6);
  });

  it("has those of the softmax loss too, which summed small batches would not", async () => {
    const want = await oneBatch(true);
    await using session = await CachedPairSession.open({ ...options, images: encoder(tinyImageTower, 3), texts: encoder(tinyTextTower, 3), loss: softmaxPairLoss });
    initialise(session.parameters);
    await session.step(batch);
    expect(relativeDistance(session, want.gradients)).toBeLessThan(1e-6);
  });

  it("starts every step from zero gradients", async () => {
    await using session = await CachedPairSession.open({ ...options, images: encoder(tinyImageTower, 4), texts: encoder(tinyTextTower, 4), loss: sigmoidPairLoss });
    initialise(session.parameters);
    await session.step(batch);
    const first = session.gradients.slice();
    await session.step(batch);
    expect(session.gradients).toEqual(first);
  });

  it("trains one tower while the other is locked, and a temperature that stays", async () => {
    const want = await oneBatch(false);
    const whole = encoder(tinyImageTower, 1)();
    const locked = (): EncoderGraph => {
      const graph = new Graph();
      const names = [...whole.parameters.keys()];
      const frozen = (name: string, shape: readonly (number | string)[]): ReturnType<Graph["weight"]> => {
        const values = seededValues(shape.reduce<number>((n, dim) => n * Number(dim), 1), 100 + names.indexOf(name));
        return graph.weight(name, "float32", shape, values);
      };
      const known = new Map<string, ReturnType<Graph["weight"]>>();
      const parameter = (name: string, shape: readonly (number | string)[]): ReturnType<Graph["weight"]> => known.get(name) ?? known.set(name, frozen(name, shape)).get(name)!;
      return { graph, embeddings: tinyImageTower(graph, parameter, 4), parameters: new Map() };
    };
    await using session = await CachedPairSession.open({
      ...options,
      images: locked,
      texts: encoder(tinyTextTower, 4),
      loss: sigmoidPairLoss,
      fixedTemperature: { logitScale: Math.log(5), logitBias: -2 },
    });
    // The text tower's parameters follow the image tower's in the whole model.
    session.parameters.slots.forEach(({ name }, i) => session.parameters.get(name).set(seededValues(session.parameters.get(name).length, 100 + whole.parameters.size + i)));
    await session.step(batch);
    expect(session.parameters.slots.every(({ name }) => name.startsWith("text_model."))).toBe(true);
    expect(relativeDistance(session, new Map([...want.gradients].filter(([name]) => name.startsWith("text_model."))))).toBeLessThan(1e-6);
  });

  it("never asks for more rows than a chunk", async () => {
    const asked: [number, number][] = [];
    const counting = (source: RowSource): RowSource => ({
      count: source.count,
      rows(from, to) {
        asked.push([from, to]);
        return source.rows(from, to);
      },
    });
    await using session = await CachedPairSession.open({ ...options, images: encoder(tinyImageTower, 4), texts: encoder(tinyTextTower, 8), loss: sigmoidPairLoss });
    initialise(session.parameters);
    await session.step({ ...batch, images: counting(batch.images), texts: counting(batch.texts) });
    const imageChunks = [[0, 4], [4, 8], [8, 11]];
    const textChunks = [[0, 8], [8, 14]];
    expect(asked).toEqual([...imageChunks, ...textChunks, ...imageChunks, ...textChunks]);
  });

  it("stops where the signal asks for it, and refuses labels of another batch and a loss of NaN", async () => {
    await using session = await CachedPairSession.open({ ...options, images: encoder(tinyImageTower, 4), texts: encoder(tinyTextTower, 4), loss: sigmoidPairLoss });
    initialise(session.parameters);
    await expect(session.step({ ...batch, signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    await expect(session.step({ ...batch, labels: pairLabels({ images: 3, imageOfText: [0, 1, 2] }) })).rejects.toThrow("expected 3 images and 3 texts by the labels, got 11 and 14");
    session.parameters.get("logit_bias").fill(Number.NaN);
    await expect(session.step(batch)).rejects.toThrow("CachedPairSession.step: the loss is NaN");
  });

  it("refuses towers of different widths, and rows that do not go together", async () => {
    const narrow = (): EncoderGraph => {
      const graph = new Graph();
      return { graph, embeddings: graph.input("texts", "float32", [4, 5]), parameters: new Map() };
    };
    await expect(CachedPairSession.open({ ...options, images: encoder(tinyImageTower, 4), texts: narrow, loss: sigmoidPairLoss })).rejects.toThrow("got images 6 and texts 5 wide");
    expect(() => rowsInMemory({ pixels, tokens })).toThrow("expected inputs with as many rows each, got 11, 14");
  });
});
