export { openWeights } from "./open-weights.js";
export { openSafetensors, writeSafetensors } from "./safetensors.js";
export { openGguf } from "./gguf.js";
export { writeGguf, type GgufFile, type GgufValue } from "./gguf-write.js";
export type { TensorToWrite } from "./tensor-to-write.js";
export type { TensorDtype } from "./tensor-dtype.js";
export type { MetadataValue, TensorInfo, WeightSource } from "./weight-source.js";
export { WeightsError } from "./weights-error.js";
