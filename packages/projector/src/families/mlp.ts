import { geluErf, geluTanh, linear } from "@sightline/graph";
import type { ProjectorFamily } from "../projector-family.js";
import { expectWidth, matrixShape } from "../tensor-shapes.js";

/**
 * LLaVA's projector: linear, GELU, linear, on every patch token (Liu et al. 2023, "Improved Baselines with Visual
 * Instruction Tuning", 3.2).
 */
export const mlp: ProjectorFamily = (source, { gelu }) => {
  const [hidden, width] = matrixShape(source, "mm.0.weight");
  const [outputWidth] = matrixShape(source, "mm.2.weight");
  const activation = gelu === "erf" ? geluErf : geluTanh;
  return {
    type: "mlp",
    outputWidth,
    tokens: ({ rows, columns }) => rows * columns,
    build(patchTokens, _grid, parameter) {
      expectWidth(source, patchTokens, width);
      const inner = activation(linear(patchTokens, parameter("mm.0.weight", [hidden, width]), parameter("mm.0.bias", [hidden])));
      return linear(inner, parameter("mm.2.weight", [outputWidth, hidden]), parameter("mm.2.bias", [outputWidth]));
    },
  };
};
