export { GraphError } from "./graph-error.js";
export { Graph, type OutputSpec, type TapeEntry, type VectorJacobianProduct } from "./graph.js";
export type { AttributeValue, DeferredBytes, Dtype, ExternalBytes, MemoryBytes, Node, Tensor, Weight, WeightData } from "./tensor.js";
export { broadcastShapes, elementCount, formatShape, knownDim, type Dim, type Shape } from "./shape.js";
export { grad } from "./grad.js";
export { serializeModel, type SerializedModel } from "./model-proto.js";
export { resolveWeights, type ResolvedWeights } from "./resolve-weights.js";
export { autoDevices, DeviceError, onnxruntimeVersion, runDevices, type Device, type RunDevice } from "./devices.js";
export type { Placement } from "./placement.js";
export { openSession, Session, type SessionOptions, type TensorValue } from "./session.js";
export {
  add,
  broadcastTo,
  div,
  exp,
  geluErf,
  geluTanh,
  log,
  mul,
  neg,
  quickGelu,
  scale,
  shift,
  sigmoid,
  silu,
  softplus,
  sqrt,
  sub,
  tanh,
} from "./ops/elementwise.js";
export { reduceMean, reduceSum, sumTo } from "./ops/reduce.js";
export { concat, multiplyDims, padFront, reshape, slice, transpose } from "./ops/reshape.js";
export { linear, matmul } from "./ops/linear.js";
export { lowRankSum, type LowRank, type LowRankDropout } from "./ops/low-rank.js";
export { l2Normalize, layerNorm, rmsNorm } from "./ops/normalization.js";
export { softmax, softmaxCrossEntropy } from "./ops/softmax.js";
export { attention, fusedAttention, type AttentionOptions, type FusedAttentionOptions } from "./ops/attention.js";
export { rotaryEmbedding } from "./ops/rotary.js";
export { gatherRows } from "./ops/gather.js";
export { firstPlaceOf, placeOfLargest, tokensAt } from "./ops/pick-token.js";
export { copyGraph, rewriteGraph, type CopyGraphOptions, type NodeRewrite } from "./rewrite-graph.js";
export { toFloat16, type NarrowFloat16 } from "./float16.js";
export { measureLinears, type LinearStatistics, type MeasuredGraph } from "./int8/linear-statistics.js";
export { planInt8, type Int8Layer } from "./int8/plan-int8.js";
export { quantizeLinears } from "./int8/quantize-linears.js";
export { openModelFile, type FileInput, type FileOutput, type FilledInput, type ModelFileOptions } from "./model-file.js";
export { readModelOutline, type ModelOutline, type OutlineNode } from "./model-outline.js";
export { standardOps } from "./standard-ops.js";
export type { ValueType } from "./signature.js";
export type { Float16Conversion } from "./value-conversion.js";
export { weightBytes, writeModelFile, type WriteModelOptions, type WrittenModel } from "./write-model-file.js";
