import { geluTanh, linear } from "@sightline/graph";
import type { ProjectorFamily } from "../projector-family.js";
import { matrixShape } from "../tensor-shapes.js";

/**
 * LLaVA's projector: linear, GELU, linear, on every patch token (Liu et al. 2023, "Improved Baselines with Visual
 * Instruction Tuning", 3.2). The GELU is the tanh form, as llama.cpp runs it (ggml_gelu).
 */
export const mlp: ProjectorFamily = (source) => {
  const [hidden, width] = matrixShape(source, "mm.0.weight");
  const [outputWidth] = matrixShape(source, "mm.2.weight");
  return {
    type: "mlp",
    outputWidth,
    tokens: ({ rows, columns }) => rows * columns,
    build(patchTokens, _grid, parameter) {
      const inner = geluTanh(linear(patchTokens, parameter("mm.0.weight", [hidden, width]), parameter("mm.0.bias", [hidden])));
      return linear(inner, parameter("mm.2.weight", [outputWidth, hidden]), parameter("mm.2.bias", [outputWidth]));
    },
  };
};
