import type { Graph, Shape, Tensor } from "@sightline/graph";
import { WeightsError, type TensorInfo, type WeightSource } from "@sightline/weights";
import type { Parameter } from "../models/transformer-block.js";

/**
 * Parameters out of a weight file. F32 tensors stay where they are, and ONNX Runtime maps them; others are widened or
 * dequantised when a session opens, so the source must stay open until then.
 * @param rename a builder's name to the file's
 * @throws WeightsError, from the returned function, when a tensor is missing or has another shape
 */
export function weightParameters(graph: Graph, source: WeightSource, rename: (name: string) => string = (name) => name): Parameter {
  const known = new Map<string, Tensor>();
  return (name, shape) => {
    let tensor = known.get(name);
    if (!tensor) {
      const stored = storedTensor(source, rename(name), shape);
      tensor = graph.weight(name, "float32", shape, bytesOf(source, stored));
      known.set(name, tensor);
    }
    return tensor;
  };
}

/** The tensor of that name; throws WeightsError when it is missing or has another shape. */
export function storedTensor(source: WeightSource, name: string, shape: Shape): TensorInfo {
  const info = source.tensors.get(name);
  if (!info) throw new WeightsError(`${source.path}: the model needs the tensor "${name}" [${shape.join(", ")}], which is not there`);
  if (info.shape.join() !== shape.join()) {
    throw new WeightsError(`${info.file}: "${name}": expected the shape [${shape.join(", ")}] by the configuration, got [${info.shape.join(", ")}]`);
  }
  return info;
}

function bytesOf(source: WeightSource, info: TensorInfo): Parameters<Graph["weight"]>[3] {
  // A tensor that is not aligned to its elements cannot be mapped.
  if (info.dtype === "F32" && info.byteOffset % 4 === 0) return { file: info.file, byteOffset: info.byteOffset, byteLength: info.byteLength };
  const elements = info.shape.reduce((product, dim) => product * dim, 1);
  const float16 = info.dtype === "F16" && info.byteOffset % 2 === 0 ? { file: info.file, byteOffset: info.byteOffset, byteLength: info.byteLength } : undefined;
  return { byteLength: elements * 4, read: () => source.readFloat32(info.name), ...(float16 ? { float16 } : {}) };
}
