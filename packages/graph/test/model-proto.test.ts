import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { add, Graph, GraphError, resolveWeights, scale, serializeModel } from "../src/index.js";
import { ModelProtoSchema, TensorProto_DataLocation, type ModelProto } from "../src/onnx/onnx_pb.js";

async function serialized(graph: Graph): Promise<ModelProto> {
  const weights = await resolveWeights(graph);
  return fromBinary(ModelProtoSchema, serializeModel(graph, weights.data, (file) => file).model);
}

describe("serializeModel", () => {
  it("leaves out nodes and weights that no output needs", async () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", ["B", 2]);
    const used = graph.weight("used", "float32", [2], Float32Array.of(1, 2));
    add(x, graph.weight("unused", "float32", [2], Float32Array.of(3, 4)));
    graph.output("y", add(x, used));
    const { graph: proto } = await serialized(graph);
    expect(proto?.initializer.map(({ name }) => name)).toEqual(["used"]);
    expect(proto?.node.map(({ opType }) => opType)).toEqual(["Add", "Identity"]);
  });

  it("keeps the names of symbolic dimensions", async () => {
    const graph = new Graph();
    graph.output("y", scale(graph.input("x", "float32", ["B", 2]), 3));
    const { graph: proto } = await serialized(graph);
    const type = proto?.input[0]?.type?.value;
    expect(type?.case === "tensorType" && type.value.shape?.dim.map(({ value }) => value.value)).toEqual(["B", 2n]);
  });

  it("puts small weights into the model and large ones beside it", async () => {
    const graph = new Graph();
    const small = graph.weight("small", "float32", [4], new Float32Array(4).fill(7));
    const large = graph.weight("large", "float32", [256, 4], new Float32Array(1024).fill(8));
    graph.output("y", add(large, small));
    const weights = await resolveWeights(graph);
    const { model, memory } = serializeModel(graph, weights.data, (file) => file);
    const proto = fromBinary(ModelProtoSchema, model).graph;
    const byName = new Map(proto?.initializer.map((tensor) => [tensor.name, tensor]));
    expect(byName.get("small")?.rawData).toEqual(new Uint8Array(Float32Array.of(7, 7, 7, 7).buffer));
    expect(byName.get("large")?.dataLocation).toBe(TensorProto_DataLocation.EXTERNAL);
    expect(byName.get("large")?.externalData.map(({ key, value }) => [key, value])).toEqual([
      ["location", "memory/0"],
      ["offset", "0"],
      ["length", "4096"],
    ]);
    expect(memory.map(({ location, data }) => [location, data.byteLength])).toEqual([["memory/0", 4096]]);
  });

  it("refers to a file by its offset, beyond 4 GB too", () => {
    const graph = new Graph();
    const far = { file: "/models/far", byteOffset: 5 * 2 ** 30, byteLength: 4096 };
    const weight = graph.weight("far", "float32", [1024], far);
    graph.output("y", scale(weight, 2));
    const constants = graph.weights.map(({ tensor, data }) => [tensor, data as Float32Array] as const);
    const { model, files } = serializeModel(graph, new Map(constants), () => "shard");
    const tensor = fromBinary(ModelProtoSchema, model).graph?.initializer.find(({ name }) => name === "far");
    expect(tensor?.externalData.map(({ value }) => value)).toEqual(["shard", "5368709120", "4096"]);
    expect([...files]).toEqual([["shard", "/models/far"]]);
  });

  it("refuses a graph without outputs, and a weight without bytes", () => {
    const graph = new Graph();
    const weight = graph.weight("w", "float32", [2], Float32Array.of(1, 2));
    expect(() => serializeModel(graph, new Map(), (file) => file)).toThrow(/the graph has no outputs/);
    graph.output("y", weight);
    expect(() => serializeModel(graph, new Map(), (file) => file)).toThrow(new GraphError('serializeModel: weight "w" has no bytes'));
  });
});

describe("Graph", () => {
  it("refuses bytes that do not fit a weight's shape, naming both sizes", () => {
    expect(() => new Graph().weight("w", "float32", [3, 2], new Float32Array(5))).toThrow(/"w" float32\[3, 2\] needs 24 bytes, got 20/);
  });

  it("refuses a name that is taken, a second output of one name, and tensors of another graph", () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", [2]);
    expect(() => graph.input("x", "float32", [2])).toThrow(/"x" is taken/);
    graph.output("y", x);
    expect(() => graph.output("y", x)).toThrow(/"y" is already an output/);
    expect(() => add(x, new Graph().input("z", "float32", [2]))).toThrow(/"z" belongs to another graph/);
  });
});
