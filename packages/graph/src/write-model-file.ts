import { open, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { GraphError } from "./graph-error.js";
import type { Graph } from "./graph.js";
import { modelProto, neededParts, refer, tensorProto } from "./model-proto.js";
import { GraphProtoSchema, ModelProtoSchema, TensorProtoSchema, type TensorProto } from "./onnx/onnx_pb.js";
import { inlineLimitBytes, inMemory } from "./resolve-weights.js";
import type { Weight } from "./tensor.js";

/** Settings of `writeModelFile`. */
export interface WriteModelOptions {
  /** A model with more bytes of weights has them in files beside it; protobuf ends at 2 GiB, and so does the default. */
  readonly inlineBytes?: number;
  /** The most bytes of one file of weights, but for a weight that is larger alone; below what a browser's buffer holds if left out. */
  readonly dataFileBytes?: number;
  /** Stops between two weights, and leaves the files unfinished. */
  readonly signal?: AbortSignal;
  /** After each weight: its bytes. */
  readonly onBytes?: (bytes: number) => void;
}

/** What `writeModelFile` wrote beside the model. */
export interface WrittenModel {
  /** Files of weights beside the model: `x.onnx_data`, `x.onnx_data_1`, ...; none when the model holds them itself. */
  readonly dataFiles: readonly string[];
}

/** Room for nodes and names below protobuf's 2^31 bytes. */
const defaultInlineBytes = 2 ** 31 - 2 ** 26;
/** Weights in a file of their own start at multiples of this, so that they can be mapped. */
const pageBytes = 4096;
/** ONNX numbers of the first versions that have all operations of standardOps; older ones open in more programs. */
const standardVersions = { irVersion: 8, opset: 17 };
const ownVersions = { irVersion: 10, opset: 21 };
const modelGraphField = 7;
const graphInitializerField = 5;
const tensorRawDataField = 9;

/** The bytes that a model's weights come to. */
export function weightBytes(graph: Graph): number {
  return neededParts(graph).weights.reduce((sum, { data }) => sum + data.byteLength, 0);
}

/**
 * Writes a graph as an .onnx file, one weight in memory at a time, and flushes it to disk. Weights that a model of 2 GiB
 * cannot hold lie in files beside it, as ONNX and transformers.js name them. A graph of standard operations alone
 * (`standardOps`) becomes opset 17 and needs no other.
 * @throws GraphError when the graph has no outputs or a weight's file is too short; what the file system throws
 */
export async function writeModelFile(graph: Graph, file: string, options: WriteModelOptions = {}): Promise<WrittenModel> {
  if (graph.outputs.length === 0) throw new GraphError("writeModelFile: the graph has no outputs");
  const { nodes, weights } = neededParts(graph);
  const { inlineBytes = defaultInlineBytes, dataFileBytes = defaultInlineBytes } = options;
  const inline = weights.reduce((sum, { data }) => sum + data.byteLength, 0) <= inlineBytes;
  const isLarge = ({ data }: Weight): boolean => data.byteLength >= inlineLimitBytes;

  const places = inline ? new Map<Weight, DataPlace>() : placesOf(weights.filter(isLarge), `${path.basename(file)}_data`, dataFileBytes);
  const small: TensorProto[] = [];
  const large: { readonly weight: Weight; readonly proto: TensorProto }[] = [];
  for (const weight of weights) {
    const proto = tensorProto(weight);
    const place = places.get(weight);
    if (place) refer(proto, place.name, place.offset, weight.data.byteLength);
    else if (!isLarge(weight)) proto.rawData = bytesOf(await inMemory(weight.data));
    if (place || !isLarge(weight)) small.push(proto);
    else large.push({ weight, proto });
  }

  const standard = nodes.every(({ domain }) => domain === "");
  const model = modelProto(graph, nodes, small, standard ? standardVersions : ownVersions);
  if (standard) model.opsetImport = model.opsetImport.filter(({ domain }) => domain === "");
  await writeProtobuf(file, model, large, options);

  const dataFiles = [...new Set([...places.values()].map(({ name }) => name))];
  for (const name of dataFiles) {
    const inFile = [...places].filter(([, place]) => place.name === name);
    await using handle = await open(path.join(path.dirname(file), name), "wx");
    for (const [weight, { offset }] of inFile) await writeWeight(handle, weight, offset, options);
    await handle.sync();
  }
  return { dataFiles };
}

interface DataPlace {
  readonly name: string;
  readonly offset: number;
}

function placesOf(weights: readonly Weight[], name: string, limit: number): Map<Weight, DataPlace> {
  const places = new Map<Weight, DataPlace>();
  let count = 0;
  let end = 0;
  for (const weight of weights) {
    const { byteLength } = weight.data;
    if (end > 0 && end + byteLength > limit) {
      count++;
      end = 0;
    }
    places.set(weight, { name: count === 0 ? name : `${name}_${count}`, offset: end });
    end = Math.ceil((end + byteLength) / pageBytes) * pageBytes;
  }
  return places;
}

/** The model as one message, whose large initialisers come last and are never held together. */
async function writeProtobuf(
  file: string,
  model: ReturnType<typeof modelProto>,
  large: readonly { readonly weight: Weight; readonly proto: TensorProto }[],
  options: WriteModelOptions,
): Promise<void> {
  const { graph, ...header } = model;
  if (!graph) throw new GraphError("writeModelFile: the model has no graph");
  const body = toBinary(GraphProtoSchema, graph);
  const tails = large.map(({ weight, proto }) => {
    const fields = toBinary(TensorProtoSchema, proto);
    const data = new BinaryWriter().tag(tensorRawDataField, WireType.LengthDelimited).uint32(weight.data.byteLength).finish();
    const start = new BinaryWriter().tag(graphInitializerField, WireType.LengthDelimited).uint32(fields.length + data.length + weight.data.byteLength).finish();
    return { weight, prefix: Buffer.concat([start, fields, data]) };
  });
  const graphBytes = tails.reduce((sum, { weight, prefix }) => sum + prefix.length + weight.data.byteLength, body.length);
  const start = new BinaryWriter().tag(modelGraphField, WireType.LengthDelimited).uint32(graphBytes).finish();

  await using handle = await open(file, "wx");
  const head = Buffer.concat([toBinary(ModelProtoSchema, header), start, body]);
  await writeAt(handle, head, 0);
  let position = head.length;
  for (const { weight, prefix } of tails) {
    await writeAt(handle, prefix, position);
    await writeWeight(handle, weight, position + prefix.length, options);
    position += prefix.length + weight.data.byteLength;
  }
  await handle.sync();
}

async function writeWeight(handle: FileHandle, { data, tensor }: Weight, position: number, { signal, onBytes }: WriteModelOptions): Promise<void> {
  signal?.throwIfAborted();
  const bytes = bytesOf(await inMemory(data));
  if (bytes.length !== data.byteLength) throw new GraphError(`writeModelFile: weight "${tensor.name}" expected ${data.byteLength} bytes, got ${bytes.length}`);
  await writeAt(handle, bytes, position);
  onBytes?.(bytes.length);
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await handle.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
  }
}

function bytesOf(data: Awaited<ReturnType<typeof inMemory>>): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
