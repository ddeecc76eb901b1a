import { open, type FileHandle } from "node:fs/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { GraphError } from "./graph-error.js";
import { NodeProtoSchema, TensorProto_DataLocation, TensorProto_DataType, TensorProtoSchema, type NodeProto, type TensorProto } from "./onnx/onnx_pb.js";

/** A node of a model file. */
export interface OutlineNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** The nodes of an .onnx file, and the single numbers among its constants. */
export interface ModelOutline {
  readonly nodes: readonly OutlineNode[];
  /** Initialisers and Constant nodes of one floating-point value, by name. */
  readonly scalars: ReadonlyMap<string, number>;
}

/** No tensor of one value is larger; others are passed over unread. */
const scalarBytes = 4096;
/** A node is small, but for a Constant node that holds a table. */
const nodeBytes = 2 ** 16;
const windowBytes = nodeBytes;

const modelGraphField = 7;
const graphNodeField = 1;
const graphInitializerField = 5;
const lengthDelimited = 2;

/**
 * Reads the nodes of an .onnx file of any size; its weights are neither read nor held.
 * @param widenFloat16 the value of float16 bits
 * @throws GraphError when it is no protobuf of a model
 */
export async function readModelOutline(file: string, widenFloat16: (bits: number) => number): Promise<ModelOutline> {
  await using handle = await open(file, "r");
  const { size } = await handle.stat();
  const reader = new WindowReader(file, handle, size);
  const nodes: OutlineNode[] = [];
  const scalars = new Map<string, number>();
  const keep = (name: string, tensor: TensorProto | undefined): void => {
    const value = tensor && scalarOf(tensor, widenFloat16);
    if (value !== undefined) scalars.set(name, value);
  };
  for await (const graph of fields(reader, size)) {
    if (graph.field !== modelGraphField) continue;
    for await (const { field, end } of fields(reader, graph.end)) {
      const length = end - reader.position;
      if (field === graphNodeField && length <= nodeBytes) {
        const node = await reader.message(length, (bytes) => fromBinary(NodeProtoSchema, bytes));
        nodes.push({ op: node.opType, inputs: node.input, outputs: node.output });
        if (node.opType === "Constant") keep(node.output[0] ?? "", constantOf(node));
      } else if (field === graphInitializerField && length <= scalarBytes) {
        const tensor = await reader.message(length, (bytes) => fromBinary(TensorProtoSchema, bytes));
        keep(tensor.name, tensor);
      }
    }
  }
  if (nodes.length === 0) throw new GraphError(`readModelOutline: ${file}: expected an ONNX model, got a file without nodes; download it again`);
  return { nodes, scalars };
}

interface Field {
  readonly field: number;
  readonly end: number;
}

/** The length-delimited fields from the reader's position to `end`; each is passed over when the next is asked for. */
async function* fields(reader: WindowReader, end: number): AsyncGenerator<Field> {
  while (reader.position < end) {
    const tag = await reader.varint();
    const wireType = tag & 7;
    const length = wireType === lengthDelimited ? await reader.varint() : wireType === 1 ? 8 : wireType === 5 ? 4 : 0;
    if (wireType === 0) await reader.varint();
    else if (wireType !== lengthDelimited && length === 0) reader.fail();
    const fieldEnd = reader.position + length;
    if (fieldEnd > end) reader.fail();
    if (wireType === lengthDelimited) yield { field: Math.floor(tag / 8), end: fieldEnd };
    reader.position = fieldEnd;
  }
}

class WindowReader {
  position = 0;
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #size: number;
  #window = new Uint8Array(0);
  #start = 0;

  constructor(file: string, handle: FileHandle, size: number) {
    this.#file = file;
    this.#handle = handle;
    this.#size = size;
  }

  fail(cause?: unknown): never {
    throw new GraphError(`readModelOutline: ${this.#file}: is no ONNX model, or damaged at byte ${this.position}; download it again`, { cause });
  }

  async varint(): Promise<number> {
    let value = 0;
    for (let factor = 1; factor < 2 ** 64; factor *= 128) {
      const byte = (await this.#bytes(1))[0] as number;
      this.position++;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    return this.fail();
  }

  async message<T>(length: number, parse: (bytes: Uint8Array) => T): Promise<T> {
    const bytes = await this.#bytes(length);
    try {
      return parse(bytes);
    } catch (cause) {
      return this.fail(cause);
    }
  }

  async #bytes(length: number): Promise<Uint8Array> {
    if (this.position + length > this.#size) this.fail();
    const at = this.position - this.#start;
    if (at >= 0 && at + length <= this.#window.length) return this.#window.subarray(at, at + length);
    const window = new Uint8Array(Math.min(windowBytes, this.#size - this.position));
    let filled = 0;
    while (filled < window.length) {
      const { bytesRead } = await this.#handle.read(window, filled, window.length - filled, this.position + filled);
      if (bytesRead === 0) this.fail();
      filled += bytesRead;
    }
    this.#window = window;
    this.#start = this.position;
    return window.subarray(0, length);
  }
}

function constantOf(node: NodeProto): TensorProto | undefined {
  return node.attribute.find(({ name }) => name === "value")?.t;
}

function scalarOf(tensor: TensorProto, widenFloat16: (bits: number) => number): number | undefined {
  if (tensor.dims.some((dim) => dim !== 1n) || tensor.dataLocation === TensorProto_DataLocation.EXTERNAL) return undefined;
  const { rawData, dataType } = tensor;
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  switch (dataType) {
    case TensorProto_DataType.FLOAT:
      return rawData.length === 4 ? view.getFloat32(0, true) : tensor.floatData[0];
    case TensorProto_DataType.DOUBLE:
      return rawData.length === 8 ? view.getFloat64(0, true) : tensor.doubleData[0];
    case TensorProto_DataType.FLOAT16: {
      const bits = rawData.length === 2 ? view.getUint16(0, true) : tensor.int32Data[0];
      return bits === undefined ? undefined : widenFloat16(bits);
    }
    default:
      return undefined;
  }
}
