import { geluErf, geluTanh, linear, type Tensor } from "@sightline/graph";
import type { WeightSource } from "@sightline/weights";
import { fieldAt, geluAt, tensorEnding } from "../checkpoint-fields.js";
import type { Projector, ProjectorFamily } from "../projector-family.js";
import { expectWidth, matrixShape } from "../tensor-shapes.js";

/** Where `sightline convert` says that a checkpoint's projector has the erf GELU. llama.cpp passes over keys that it does not know. */
const geluKey = "sightline.projector.gelu";

/**
 * LLaVA's projector: linear, GELU, linear, on every patch token (Liu et al. 2023, "Improved Baselines with Visual
 * Instruction Tuning", 3.2). LLaVA-OneVision has the same one; what it does with tiles is `anyresRows`.
 */
export const mlp: ProjectorFamily = {
  type: "mlp",
  modelTypes: ["llava", "llava_onevision"],
  fromMmproj: (source, { gelu = source.metadata.get(geluKey) === "erf" ? "erf" : "tanh" }) => projector(source, { layers: ["mm.0", "mm.2"], gelu, newline: "v.image_newline", bias: true }),
  fromCheckpoint(source, config) {
    const [first, second] = ["1", "2"].map((layer) => tensorEnding(source, `multi_modal_projector.linear_${layer}.weight`).slice(0, -".weight".length)) as [string, string];
    return projector(source, {
      layers: [first, second],
      gelu: geluAt(source, config, "projector_hidden_act"),
      bias: fieldAt(config, "multimodal_projector_bias") !== false,
      ...(config["model_type"] === "llava_onevision" ? { newline: tensorEnding(source, "image_newline") } : {}),
    });
  },
};

interface MlpLayers {
  readonly layers: readonly [string, string];
  readonly gelu: "tanh" | "erf";
  readonly bias: boolean;
  readonly newline?: string;
}

function projector(source: WeightSource, { newline, ...layers }: MlpLayers): Projector {
  const [first, second] = layers.layers;
  const [hidden, width] = matrixShape(source, `${first}.weight`);
  const [outputWidth] = matrixShape(source, `${second}.weight`);
  return { ...mlpProjector({ ...layers, path: source.path, width, hidden, outputWidth }), ...(newline !== undefined && source.tensors.has(newline) ? { newline } : {}) };
}

/** What the two layers are. */
export interface MlpProjector extends Omit<MlpLayers, "newline"> {
  /** The file that errors name. */
  readonly path: string;
  /** D */
  readonly width: number;
  readonly hidden: number;
  /** W */
  readonly outputWidth: number;
}

/** The two layers, wherever their parameters come from. */
export function mlpProjector({ path, layers: [first, second], gelu, bias, width, hidden, outputWidth }: MlpProjector): Projector {
  const activation = gelu === "erf" ? geluErf : geluTanh;
  return {
    type: "mlp",
    outputWidth,
    tokens: ({ rows, columns }) => rows * columns,
    build(patchTokens, _grid, parameter) {
      expectWidth(path, patchTokens, width);
      const layer = (x: Tensor, name: string, outWidth: number, inWidth: number): Tensor =>
        linear(x, parameter(`${name}.weight`, [outWidth, inWidth]), bias ? parameter(`${name}.bias`, [outWidth]) : undefined);
      return layer(activation(layer(patchTokens, first, hidden, width)), second, outputWidth, hidden);
    },
  };
}
