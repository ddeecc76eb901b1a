import {
  adaptedParameters,
  CachedPairSession,
  ChunkedSigmoidLoss,
  denseLabels,
  mergedWeight,
  pairLabels,
  rowsInMemory,
  selectTrainable,
  sigmoidLoss,
  sigmoidPairLoss,
  TrainSession,
  type AdaptedParameters,
  type EncoderGraph,
  type LoraOptions,
  type ParameterSet,
} from "@sightline/contrastive";
import { Graph, openSession, type Shape, type Tensor, type TensorValue } from "@sightline/graph";
import { patchesOf, siglipPatchTokens, siglipPooledEmbedding, siglipTextEmbedding, type Parameter } from "@sightline/vision-tower";
import { describe, expect, it } from "vitest";

/** SigLIP's own towers, small. */
const vision = { width: 8, layers: 2, heads: 2, mlpWidth: 12, layerNormEps: 1e-6, imageSize: 8, patchSize: 4 };
const text = { width: 8, layers: 1, heads: 2, mlpWidth: 12, layerNormEps: 1e-6, vocabularySize: 13, maxTokens: 4, projectionWidth: 8 };
const layers = { image: vision.layers, text: text.layers };
const cpu = { device: "cpu", threads: 1 } as const;
const pairs = 10;

function seeded(count: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

function stored(name: string, shape: readonly number[]): Float32Array {
  const values = seeded(shape.reduce((a, b) => a * b, 1), [...name].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 1e6, 7));
  return /norm.*weight$/.test(name) ? values.map((value) => 1 + 0.1 * value) : values.map((value) => 0.5 * value);
}

const pixels: TensorValue = { dtype: "float32", shape: [pairs, 3, 8, 8], data: seeded(pairs * 192, 1) };
const tokens: TensorValue = { dtype: "int64", shape: [pairs, 4], data: BigInt64Array.from({ length: pairs * 4 }, (_, i) => BigInt((i * 5) % 13)) };
const labels = pairLabels({ images: pairs, imageOfText: Array.from({ length: pairs }, (_, i) => i) });

function imageTower(graph: Graph, parameter: Parameter, images: number): Tensor {
  const patchTokens = siglipPatchTokens(patchesOf(graph.input("pixels", "float32", [images, 3, 8, 8]), 4), parameter, vision, { fused: false });
  return siglipPooledEmbedding(patchTokens, parameter, vision);
}

function textTower(graph: Graph, parameter: Parameter, texts: number): Tensor {
  return siglipTextEmbedding(graph.input("tokens", "int64", [texts, 4]), parameter, text, { fused: false });
}

type Training = Omit<Parameters<typeof adaptedParameters>[1], "frozen">;

function adapted(graph: Graph, training: Training, change = (_: string, values: Float32Array): Float32Array => values): AdaptedParameters {
  const frozen = (name: string, shape: Shape): Tensor => graph.weight(name, "float32", shape, change(name, stored(name, shape.map(Number))));
  return adaptedParameters(graph, { ...training, frozen });
}

function encoder(tower: typeof imageTower, chunk: number, training: Training): () => EncoderGraph {
  return () => {
    const graph = new Graph();
    const { parameter, tensors } = adapted(graph, training);
    return { graph, embeddings: tower(graph, parameter, chunk), parameters: tensors };
  };
}

function initialise(parameters: ParameterSet): void {
  for (const { name, shape } of parameters.slots) parameters.get(name).set(name.startsWith("logit") ? [name === "logit_scale" ? 1.6 : -2] : stored(name, shape));
}

async function wholeBatch(training: Training): Promise<TrainSession> {
  const graph = new Graph();
  const { parameter, tensors } = adapted(graph, training);
  const [image, caption] = [imageTower(graph, parameter, pairs), textTower(graph, parameter, pairs)];
  const loss = sigmoidLoss(image, caption, graph.input("labels", "float32", [pairs, pairs]), parameter("logit_scale", [1]), parameter("logit_bias", [1]));
  const session = await TrainSession.open({ graph, loss, parameters: tensors }, cpu);
  initialise(session.parameters);
  await session.step({ pixels, tokens, labels: { dtype: "float32", shape: [pairs, pairs], data: denseLabels(labels) } });
  return session;
}

async function embeddings(training: Training, initial: (parameters: ReadonlyMap<string, Tensor>) => Record<string, TensorValue>, change?: (name: string, values: Float32Array) => Float32Array): Promise<Float32Array> {
  const graph = new Graph();
  const { parameter, tensors } = adapted(graph, training, change);
  graph.output("images", imageTower(graph, parameter, pairs));
  graph.output("texts", textTower(graph, parameter, pairs));
  await using session = await openSession(graph, cpu);
  const { images, texts } = await session.run({ ...initial(tensors), pixels, tokens });
  return Float32Array.from([...(images!.data as Float32Array), ...(texts!.data as Float32Array)]);
}

function relativeDistance(got: Float32Array, want: Float32Array): number {
  const norm = (values: Float32Array): number => Math.hypot(...values);
  return norm(got.map((value, i) => value - want[i]!)) / norm(want);
}

describe("SigLIP's towers in training", () => {
  it.each<[string, Training]>([
    ["in full", { trains: () => true }],
    ["with a locked image tower", { trains: selectTrainable({ image: "none", layers }) }],
    ["with a locked text tower", { trains: selectTrainable({ text: "none", layers }) }],
    ["in their last blocks", { trains: selectTrainable({ image: { lastBlocks: 1 }, text: { lastBlocks: 0 }, layers }) }],
    ["in their heads", { trains: selectTrainable({ image: "head", text: "head", layers }) }],
    ["with LoRA", { trains: (name) => name.startsWith("logit_"), lora: { rank: 2, alpha: 4 } }],
  ])("have the gradients of the whole batch, chunk by chunk, %s", async (_, training) => {
    await using whole = await wholeBatch(training);
    await using loss = await ChunkedSigmoidLoss.open({ ...cpu, width: 8, chunk: 4 });
    await using session = await CachedPairSession.open({
      ...cpu,
      images: encoder(imageTower, 3, training),
      texts: encoder(textTower, 4, training),
      loss: (...of) => loss.evaluate(...of),
    });
    initialise(session.parameters);
    expect(session.parameters.slots.map(({ name }) => name)).toEqual(whole.parameters.slots.map(({ name }) => name));
    await session.step({ images: rowsInMemory({ pixels }), texts: rowsInMemory({ tokens }), labels });
    expect(relativeDistance(session.gradients, whole.gradients)).toBeLessThan(1e-6);
  });

  it("are selected by the names that their builders use", async () => {
    const names = async (trains: (name: string) => boolean): Promise<string[]> => {
      await using session = await wholeBatch({ trains });
      return session.parameters.slots.map(({ name }) => name);
    };
    expect(await names(selectTrainable({ image: "head", text: "head", layers }))).toEqual([
      ...["probe", "attention.in_proj_weight", "attention.in_proj_bias", "attention.out_proj.weight", "attention.out_proj.bias"].map((name) => `vision_model.head.${name}`),
      ...["layernorm.weight", "layernorm.bias", "mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight", "mlp.fc2.bias"].map((name) => `vision_model.head.${name}`),
      "text_model.head.weight",
      "text_model.head.bias",
      "logit_scale",
      "logit_bias",
    ]);
    const last = await names(selectTrainable({ image: { lastBlocks: 1 }, text: "none", temperature: false, layers }));
    expect(last.filter((name) => /embeddings|layers\.0|text_model|logit/.test(name))).toEqual([]);
    expect(last).toContain("vision_model.encoder.layers.1.self_attn.q_proj.weight");
  });

  it("give the same with adapters as with the weights that they merge into, in_proj included", async () => {
    const lora: LoraOptions = { rank: 3, alpha: 6 };
    const feeds = (tensors: ReadonlyMap<string, Tensor>): Record<string, TensorValue> =>
      Object.fromEntries([...tensors].map(([name, { shape }]) => [name, { dtype: "float32" as const, shape: shape.map(Number), data: stored(name, shape.map(Number)) }]));
    await using session = await CachedPairSession.open({
      ...cpu,
      images: encoder(imageTower, pairs, { lora }),
      texts: encoder(textTower, pairs, { lora }),
      loss: sigmoidPairLoss,
      fixedTemperature: { logitScale: 1, logitBias: -1 },
    });
    initialise(session.parameters);
    expect(session.parameters.has("vision_model.head.attention.in_proj.lora_A.weight")).toBe(true);
    expect(session.parameters.slots.every(({ name }) => name.includes(".lora_"))).toBe(true);
    const withAdapters = await embeddings({ lora }, feeds);
    const merged = await embeddings({}, feeds, (name, values) => mergedWeight(name, values, session.parameters, lora));
    expect(relativeDistance(merged, withAdapters)).toBeLessThan(1e-6);
    expect(relativeDistance(await embeddings({}, feeds), withAdapters)).toBeGreaterThan(0.05);
  });
});
