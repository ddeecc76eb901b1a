import { create, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataLocation,
  TensorProto_DataType,
  TensorProtoSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from "./onnx/onnx_pb.js";
import { GraphError } from "./graph-error.js";
import type { Graph } from "./graph.js";
import { inlineLimitBytes } from "./resolve-weights.js";
import type { AttributeValue, Dtype, ExternalBytes, MemoryBytes, Node, Tensor, Weight } from "./tensor.js";

const onnxType: Record<Dtype, TensorProto_DataType> = {
  float32: TensorProto_DataType.FLOAT,
  float16: TensorProto_DataType.FLOAT16,
  int64: TensorProto_DataType.INT64,
  int32: TensorProto_DataType.INT32,
  int8: TensorProto_DataType.INT8,
  uint8: TensorProto_DataType.UINT8,
  bool: TensorProto_DataType.BOOL,
};

/** A graph as ONNX's protobuf, with the large weights beside it. */
export interface SerializedModel {
  /** The ModelProto. */
  readonly model: Uint8Array;
  /** Weights held in memory, by the location under which the model names them. */
  readonly memory: readonly { readonly location: string; readonly data: Uint8Array }[];
  /** Weights left in files, by the location under which the model names them. */
  readonly files: ReadonlyMap<string, string>;
}

/**
 * Writes a graph as an ONNX model (IR 10, opset 21 and com.microsoft 1). Nodes that no output needs are left out.
 * @param dataOf the bytes of each weight, deferred ones read (see `resolveWeights`)
 * @param locationOf how the model names a file of external weights
 * @throws GraphError when the graph has no outputs or a weight has no bytes
 */
export function serializeModel(
  graph: Graph,
  dataOf: ReadonlyMap<Tensor, MemoryBytes | ExternalBytes>,
  locationOf: (file: string) => string,
): SerializedModel {
  if (graph.outputs.length === 0) throw new GraphError("serializeModel: the graph has no outputs");
  const { nodes, weights } = neededParts(graph);

  const memory: { location: string; data: Uint8Array }[] = [];
  const files = new Map<string, string>();
  const initializer = weights.map((weight) => {
    const proto = tensorProto(weight);
    const data = dataOf.get(weight.tensor);
    if (!data) throw new GraphError(`serializeModel: weight "${weight.tensor.name}" has no bytes`);
    if (isExternal(data)) {
      const location = locationOf(data.file);
      files.set(location, data.file);
      refer(proto, location, data.byteOffset, data.byteLength);
    } else if (data.byteLength >= inlineLimitBytes) {
      const location = `memory/${memory.length}`;
      memory.push({ location, data: bytesOf(data) });
      refer(proto, location, 0, data.byteLength);
    } else {
      proto.rawData = bytesOf(data);
    }
    return proto;
  });

  const model = modelProto(graph, nodes, initializer, { irVersion: 10, opset: 21 });
  return { model: toBinary(ModelProtoSchema, model), memory, files };
}

/** A graph's ModelProto over initialisers that were made elsewhere. */
export function modelProto(graph: Graph, nodes: readonly Node[], initializer: TensorProto[], versions: { readonly irVersion: number; readonly opset: number }): ModelProto {
  // An output that is itself an input or a weight needs a node of its own; so does a second name for one tensor.
  const outputNodes = graph.outputs.map(({ name, tensor }) =>
    create(NodeProtoSchema, { opType: "Identity", input: [tensor.name], output: [name], name: `output ${name}` }),
  );
  return create(ModelProtoSchema, {
    irVersion: BigInt(versions.irVersion),
    producerName: "sightline",
    opsetImport: [
      { domain: "", version: BigInt(versions.opset) },
      { domain: "com.microsoft", version: 1n },
    ],
    graph: {
      name: "sightline",
      node: [...nodes.map(nodeProto), ...outputNodes],
      initializer,
      input: graph.inputs.map((tensor) => valueInfo(tensor.name, tensor)),
      output: graph.outputs.map(({ name, tensor }) => valueInfo(name, tensor)),
    },
  });
}

/** The nodes that an output needs, in their order, and the weights that these read. */
export function neededParts(graph: Graph): { readonly nodes: readonly Node[]; readonly weights: readonly Weight[] } {
  const needed = new Set<Tensor>(graph.outputs.map(({ tensor }) => tensor));
  const nodes: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    nodes.push(node);
    for (const input of node.inputs) if (input) needed.add(input);
  }
  return { nodes: nodes.reverse(), weights: graph.weights.filter(({ tensor }) => needed.has(tensor)) };
}

/** A weight without its bytes. */
export function tensorProto({ tensor }: Weight): TensorProto {
  return create(TensorProtoSchema, {
    name: tensor.name,
    dataType: onnxType[tensor.dtype],
    dims: tensor.shape.map((dim) => BigInt(dim)),
  });
}

/** Makes an initialiser one whose bytes lie in a file. */
export function refer(proto: TensorProto, location: string, offset: number, length: number): void {
  proto.dataLocation = TensorProto_DataLocation.EXTERNAL;
  const entries = { location, offset: String(offset), length: String(length) };
  for (const [key, value] of Object.entries(entries)) proto.externalData.push({ $typeName: "onnx.StringStringEntryProto", key, value });
}

function isExternal(data: MemoryBytes | ExternalBytes): data is ExternalBytes {
  return !ArrayBuffer.isView(data);
}

function bytesOf(data: MemoryBytes): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function nodeProto(node: Node, index: number): NodeProto {
  return create(NodeProtoSchema, {
    name: `${index} ${node.op}`,
    opType: node.op,
    domain: node.domain,
    input: node.inputs.map((input) => input?.name ?? ""),
    output: node.outputs.map((output) => output.name),
    attribute: Object.entries(node.attributes).map(([name, value]) => attributeProto(name, value)),
  });
}

function attributeProto(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === "string") {
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.STRING, s: new TextEncoder().encode(value) });
  }
  if (typeof value === "number") {
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) });
  }
  if ("float" in value) return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: value.float });
  return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INTS, ints: value.map((v) => BigInt(v)) });
}

function valueInfo(name: string, { dtype, shape }: Tensor): ValueInfoProto {
  const dim = shape.map((d) => ({
    value: typeof d === "number" ? ({ case: "dimValue", value: BigInt(d) } as const) : ({ case: "dimParam", value: d } as const),
  }));
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: "tensorType", value: { elemType: onnxType[dtype], shape: { dim } } } },
  });
}
