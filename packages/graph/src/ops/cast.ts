import type { Tensor } from "../tensor.js";

export type FloatDtype = "float32" | "float16";

/** ONNX's numbers for types, as the Cast node takes them. */
const onnxTypes: Readonly<Record<FloatDtype, number>> = { float32: 1, float16: 10 };

/** x in another float type; x itself where it has that type. Not differentiable. */
export function castFloat(x: Tensor, dtype: FloatDtype): Tensor {
  return x.dtype === dtype ? x : x.graph.node1("Cast", [x], { dtype, shape: x.shape }, { to: onnxTypes[dtype] });
}
