import type { GgufValue } from "@sightline/weights";
import { mlpProjector } from "./families/mlp.js";
import { shuffleProjector } from "./families/idefics3.js";
import { ProjectorError } from "./projector-error.js";
import type { Projector } from "./projector-family.js";

/** The types of projector that can be begun anew. */
export type NewProjectorType = "mlp" | "idefics3";

export interface NewProjectorOptions {
  /** "mlp": two layers on every patch token, as LLaVA has. "idefics3": pixel shuffle and one layer, for fewer rows a picture. */
  readonly type: NewProjectorType;
  /** D, of the patch tokens. */
  readonly patchWidth: number;
  /** W, of the decoder. */
  readonly outputWidth: number;
  /** Of `mlp`: the width between its layers, W by default. */
  readonly hiddenWidth?: number;
  /** Of `idefics3`: patches along a side that become one row, 2 by default. */
  readonly factor?: number;
}

/** A projector that no file holds yet. */
export interface NewProjector {
  /** Its parameters have the names of an mmproj GGUF. */
  readonly projector: Projector;
  /** What an mmproj GGUF says of it. */
  readonly metadata: readonly (readonly [key: string, value: GgufValue])[];
}

/**
 * A projector to be trained from nothing, of a type that llama.cpp runs.
 * @throws ProjectorError when a number is none of at least 1
 */
export function newProjector({ type, patchWidth, outputWidth, hiddenWidth = outputWidth, factor = 2 }: NewProjectorOptions): NewProjector {
  for (const [name, value] of Object.entries({ patchWidth, outputWidth, hiddenWidth, factor })) {
    if (!Number.isInteger(value) || value < 1) throw new ProjectorError(`newProjector: expected ${name} to be a whole number of at least 1, got ${value}`);
  }
  const path = `a new ${type} projector`;
  const metadata = [["clip.projector_type", { type: "string", value: type }], ["clip.vision.projection_dim", { type: "uint32", value: outputWidth }]] as const;
  switch (type) {
    case "mlp":
      return { projector: mlpProjector({ path, layers: ["mm.0", "mm.2"], gelu: "tanh", bias: true, width: patchWidth, hidden: hiddenWidth, outputWidth }), metadata };
    case "idefics3":
      return {
        projector: shuffleProjector({ path, name: "mm.model.fc.weight", factor, width: patchWidth, outputWidth }),
        metadata: [...metadata, ["clip.vision.projector.scale_factor", { type: "uint32", value: factor }]],
      };
  }
}
