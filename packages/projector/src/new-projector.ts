import type { GgufValue } from "@sightline/weights";
import { mlpProjector } from "./families/mlp.js";
import { ProjectorError } from "./projector-error.js";
import type { Projector } from "./projector-family.js";

/** The kind and the widths of a projector to be trained. */
export interface NewProjectorOptions {
  /** LLaVA's two layers on every patch token, which llama.cpp runs on any decoder. */
  readonly type: "mlp";
  /** D, of the patch tokens. */
  readonly patchWidth: number;
  /** W, of the decoder. */
  readonly outputWidth: number;
  /** The width between the layers, W when left out. */
  readonly hiddenWidth?: number;
}

/** A projector that no file holds yet. */
export interface NewProjector {
  /** Its parameters have the names of an mmproj GGUF. */
  readonly projector: Projector;
  /** What an mmproj GGUF says of it. */
  readonly metadata: readonly (readonly [key: string, value: GgufValue])[];
}

/**
 * A projector to be trained from nothing.
 * @throws ProjectorError when a width is no whole number of at least 1
 */
export function newProjector({ type, patchWidth, outputWidth, hiddenWidth = outputWidth }: NewProjectorOptions): NewProjector {
  for (const [name, value] of Object.entries({ patchWidth, outputWidth, hiddenWidth })) {
    if (!Number.isInteger(value) || value < 1) throw new ProjectorError(`newProjector: expected ${name} to be a whole number of at least 1, got ${value}`);
  }
  return {
    projector: mlpProjector({ path: "a new projector", layers: ["mm.0", "mm.2"], gelu: "tanh", bias: true, width: patchWidth, hidden: hiddenWidth, outputWidth }),
    metadata: [["clip.projector_type", { type: "string", value: type }], ["clip.vision.projection_dim", { type: "uint32", value: outputWidth }]],
  };
}
