import { add, Graph, linear, matmul, openSession, reshape, slice, type Shape, type Tensor, type TensorValue } from "@sightline/graph";
import { describe, expect, it } from "vitest";

import {
  adaptedParameters,
  initialiseLora,
  loraNames,
  loraTargets,
  mergedWeight,
  ParameterSet,
  sigmoidLoss,
  TrainSession,
  type AdaptedParameters,
  type LoraOptions,
} from "../../src/index.js";
import { relativeError, seededValues } from "../losses/loss-cases.js";

const width = 6;
const images = 4;
const pixels: TensorValue = { dtype: "float32", shape: [images, width], data: seededValues(images * width, 7) };
const options = { device: "cpu", threads: 1 } as const;
type Parameter = (name: string, shape: Shape) => Tensor;

/** The layers that LoRA meets in SigLIP: attention, MLP, and the pooling head's packed in_proj, cut and multiplied. */
function tower(x: Tensor, parameter: Parameter): Tensor {
  const dense = (input: Tensor, name: string, out: number): Tensor => linear(input, parameter(`${name}.weight`, [out, Number(input.shape.at(-1))]), parameter(`${name}.bias`, [out]));
  const attended = add(x, dense(x, "vision_model.encoder.layers.0.self_attn.q_proj", width));
  const hidden = add(attended, dense(dense(attended, "vision_model.encoder.layers.0.mlp.fc1", 2 * width), "vision_model.encoder.layers.0.mlp.fc2", width));
  const packed = parameter("vision_model.head.attention.in_proj_weight", [3 * width, width]);
  const keys = matmul(hidden, reshape(slice(packed, 0, width, 2 * width), [width, width]));
  return add(linear(hidden, slice(packed, 0, 2 * width, 3 * width)), keys);
}

/** The values of a parameter that is not trained. */
function storedValues(name: string, shape: readonly number[]): Float32Array {
  const seed = [...name].reduce((sum, char) => sum * 31 + char.charCodeAt(0), 7) % 1e6;
  return seededValues(shape.reduce((a, b) => a * b, 1), seed);
}

function frozenIn(graph: Graph, change: (name: string, values: Float32Array) => Float32Array = (_, values) => values): Parameter {
  return (name, shape) => graph.weight(name, "float32", shape, change(name, storedValues(name, shape.map(Number))));
}

function random(): () => number {
  const values = seededValues(10_000, 3);
  let i = 0;
  return () => (values[i++]! + 1) / 2;
}

async function training(lora: LoraOptions, trains?: (name: string) => boolean): Promise<{ session: TrainSession; adapted: AdaptedParameters }> {
  const graph = new Graph();
  const adapted = adaptedParameters(graph, { frozen: frozenIn(graph), lora, ...(trains ? { trains } : {}) });
  const embeddings = tower(graph.input("pixels", "float32", [images, width]), adapted.parameter);
  const texts = graph.weight("texts", "float32", [images, width], seededValues(images * width, 8));
  const labels = graph.weight("labels", "float32", [images, images], Float32Array.from({ length: images ** 2 }, (_, i) => (i % (images + 1) === 0 ? 1 : -1)));
  const constant = (name: string, value: number): Tensor => graph.weight(name, "float32", [1], Float32Array.of(value));
  const loss = sigmoidLoss(embeddings, texts, labels, constant("t", 1), constant("b", -1));
  const session = await TrainSession.open({ graph, loss, parameters: adapted.tensors, metrics: { embeddings } }, options);
  initialiseLora(session.parameters, random());
  return { session, adapted };
}

async function plainEmbeddings(change?: (name: string, values: Float32Array) => Float32Array): Promise<Float32Array> {
  const graph = new Graph();
  const known = new Map<string, Tensor>();
  const frozen = frozenIn(graph, change);
  const parameter: Parameter = (name, shape) => known.get(name) ?? known.set(name, frozen(name, shape)).get(name)!;
  graph.output("embeddings", tower(graph.input("pixels", "float32", [images, width]), parameter));
  await using session = await openSession(graph, options);
  return (await session.run({ pixels }))["embeddings"]!.data as Float32Array;
}

describe("LoRA", () => {
  it("gives gradients to adapters alone, of every matrix that it should reach", async () => {
    const { session } = await training({ rank: 2 });
    await using _ = session;
    const modules = ["encoder.layers.0.self_attn.q_proj", "encoder.layers.0.mlp.fc1", "encoder.layers.0.mlp.fc2", "head.attention.in_proj"];
    expect(session.parameters.slots.map(({ name, shape }) => `${name} ${shape.join("x")}`)).toEqual(
      modules.flatMap((module, i) => [`vision_model.${module}.lora_A.weight 2x${i === 2 ? 12 : 6}`, `vision_model.${module}.lora_B.weight ${[6, 12, 6, 18][i]}x2`]),
    );
    for (const { name } of session.parameters.slots) session.parameters.get(name).set(seededValues(session.parameters.get(name).length, name.length));
    await session.step({ pixels });
    for (const { name } of session.parameters.slots) {
      expect(Math.max(...session.parameters.view(session.gradients, name).map(Math.abs)), name).toBeGreaterThan(1e-5);
    }
  });

  it("starts by changing nothing", async () => {
    const { session } = await training({ rank: 3, alpha: 8 });
    await using _ = session;
    const { metrics } = await session.step({ pixels });
    expect(relativeError(metrics["embeddings"]!.data as Float32Array, await plainEmbeddings())).toBeLessThan(1e-6);
  });

  it("merges into plain weights that give what the adapters gave", async () => {
    const lora = { rank: 2, alpha: 3 };
    const { session } = await training(lora);
    await using _ = session;
    session.parameters.values.set(seededValues(session.parameters.values.length, 77));
    const adapted = (await session.step({ pixels })).metrics["embeddings"]!.data as Float32Array;
    const merged = await plainEmbeddings((name, values) => mergedWeight(name, values, session.parameters, lora));
    expect(relativeError(merged, adapted)).toBeLessThan(1e-6);
    expect(relativeError(merged, await plainEmbeddings())).toBeGreaterThan(0.1);
  });

  it("trains chosen parameters beside the adapters", async () => {
    const { session } = await training({ rank: 1, targets: loraTargets(["mlp"]) }, (name) => name.endsWith("q_proj.bias"));
    await using _ = session;
    expect(session.parameters.slots.map(({ name }) => name)).toEqual([
      "vision_model.encoder.layers.0.self_attn.q_proj.bias",
      ...["fc1", "fc2"].flatMap((layer) => ["A", "B"].map((part) => `vision_model.encoder.layers.0.mlp.${layer}.lora_${part}.weight`)),
    ]);
  });

  it("drops inputs in a way that a seed, a step and a chunk determine", async () => {
    const { session, adapted } = await training({ rank: 2, dropout: 0.5 });
    await using _ = session;
    session.parameters.values.set(seededValues(session.parameters.values.length, 77));
    const loss = async (seed: number, step: number, chunk?: number): Promise<number> => (await session.step({ pixels, ...adapted.dropoutFeeds(seed, step, chunk) })).loss;
    const first = await loss(1, 0);
    expect(await loss(1, 0)).toBe(first);
    expect(new Set([first, await loss(1, 1), await loss(2, 0), await loss(1, 0, 4)]).size).toBe(4);
    const feeds = Object.values(adapted.dropoutFeeds(1, 0));
    expect(feeds.map(({ shape }) => shape)).toEqual([[6], [4, 1], [6], [12]]);
    expect(feeds.flatMap(({ data }) => [...(data as Float32Array)]).every((value) => value >= 0 && value < 1)).toBe(true);
  });

  it.each([
    ["vision_model.encoder.layers.3.self_attn.out_proj.weight", ["attention"]],
    ["text_model.encoder.layers.11.mlp.fc2.weight", ["mlp"]],
    ["vision_model.head.attention.in_proj_weight", ["pooling"]],
    ["vision_model.head.attention.out_proj.weight", ["pooling"]],
    ["vision_model.head.mlp.fc1.weight", ["pooling"]],
    ["vision_model.encoder.layers.3.layer_norm1.weight", []],
    ["vision_model.encoder.layers.3.self_attn.q_proj.bias", []],
    ["text_model.head.weight", []],
  ])("counts %s to %j", (name, parts) => {
    expect((["attention", "mlp", "pooling"] as const).filter((part) => loraTargets([part])(name))).toEqual(parts);
  });

  it("refuses a rank of 0 and a dropout of everything; leaves a weight without adapter as it is", () => {
    const graph = new Graph();
    expect(() => adaptedParameters(graph, { frozen: frozenIn(graph), lora: { rank: 0 } })).toThrow("LoRA: expected a rank of at least 1, got 0");
    expect(() => adaptedParameters(graph, { frozen: frozenIn(graph), lora: { rank: 1, dropout: 1 } })).toThrow("LoRA: expected a dropout in [0, 1), got 1");
    const values = Float32Array.of(1, 2);
    expect(mergedWeight("a.weight", values, new ParameterSet(new Map()), { rank: 1 })).toBe(values);
    expect(loraNames("head.attention.in_proj_weight").down).toBe("head.attention.in_proj.lora_A.weight");
  });
});
