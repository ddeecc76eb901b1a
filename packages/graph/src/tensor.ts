import type { Graph } from "./graph.js";
import type { Shape } from "./shape.js";

/** Types of elements, by their names in NumPy. float16 values are their 16 bits in a Uint16Array. */
export type Dtype = "float32" | "float16" | "int64" | "int32" | "int8" | "uint8" | "bool";

/** A value in a graph: the output of a node, an input, or a weight. It holds no data, only where data will be. */
export interface Tensor {
  readonly graph: Graph;
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: Shape;
}

/** Bytes of a weight that stay in their file; ONNX Runtime maps them, so they are never copied through this process. */
export interface ExternalBytes {
  /** Absolute path of the file. */
  readonly file: string;
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** A weight that is computed from its file (widened, dequantised) only when a session opens, one tensor at a time. */
export interface DeferredBytes {
  readonly byteLength: number;
  /** Where the same values lie in float16, for graphs that take them so; they are aligned to two bytes. */
  readonly float16?: ExternalBytes;
  /** The values, made anew at each call; as many bytes as `byteLength` says. */
  read(): Promise<MemoryBytes>;
}

/** Values in memory, row-major. */
export type MemoryBytes = Float32Array | BigInt64Array | Int32Array | Int8Array | Uint8Array | Uint16Array;

/** What a weight is made of; its byte length must agree with dtype and shape. */
export type WeightData = MemoryBytes | ExternalBytes | DeferredBytes;

/** A node's attribute as ONNX has them: an integer, a string, integers; `{ float }` for a real number, since 1 is both. */
export type AttributeValue = number | string | readonly number[] | { readonly float: number };

/** One ONNX node. */
export interface Node {
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly (Tensor | undefined)[];
  readonly outputs: readonly Tensor[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** A tensor whose values are fixed when a session opens. */
export interface Weight {
  readonly tensor: Tensor;
  readonly data: WeightData;
}
