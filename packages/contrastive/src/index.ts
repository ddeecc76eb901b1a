export { TrainingError } from "./training-error.js";
export { ParameterSet, trainableParameters, type ParameterSlot } from "./parameter-set.js";
export { adamW, clipGradientNorm, decaysByDefault, gradientNorm, type AdamWOptions, type AdamWState, type Optimizer } from "./adamw.js";
export { cosineLearningRate, type CosineSchedule } from "./learning-rate.js";
export { sigmoidLoss } from "./losses/sigmoid-loss.js";
export { TrainSession, type StepResult, type TrainingGraph } from "./train-session.js";
export { qwen3Hidden, qwen3TokenTable, type Qwen3Config } from "./decoder-models/qwen3.js";
