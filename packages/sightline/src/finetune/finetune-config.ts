import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { SightlineError } from "../sightline-error.js";
import type { AlignConfig } from "./align/align-settings.js";
import { problemOf } from "./config-problem.js";
import type { FinetuneConfig } from "./finetune-settings.js";

/** The configuration of a run of either stage, checked. */
export type RunConfig = FinetuneConfig | AlignConfig;

const sources = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);
const share = z.number().min(0).max(1);
const positive = z.number().positive();
const whole = z.int().min(1);
const range = z.tuple([positive, positive]);

const fields = z.strictObject({ image: z.string().optional(), caption: z.string().optional(), id: z.string().optional() });

const augment = z.strictObject({
  randomResizedCrop: z.strictObject({ scale: range.default([0.5, 1]), ratio: range.default([3 / 4, 4 / 3]) }).optional(),
  horizontalFlip: share.optional(),
  colorJitter: z
    .strictObject({ brightness: z.number().min(0).default(0), contrast: z.number().min(0).default(0), saturation: z.number().min(0).default(0), hue: z.number().min(0).max(0.5).default(0) })
    .optional(),
});

const dataSchema = z.strictObject({
  train: sources,
  validation: sources.optional(),
  imageRoot: z.string().optional(),
  fields: fields.optional(),
  splits: z.array(z.string()).min(1).optional(),
  augment: augment.optional(),
  bad: z.enum(["skip", "fail"]).default("skip"),
  longCaptions: z.enum(["cut", "skip", "fail"]).default("cut"),
  duplicates: z.enum(["ignore", "positive"]).default("ignore"),
});

const negatives = z.strictObject({ hardest: whole.optional(), maxCosine: z.number().min(-1).max(1).optional() });
const loss = z.union([
  z.enum(["sigmoid", "softmax"]).transform((type) => ({ type })),
  z.strictObject({ type: z.literal("sigmoid"), negatives: negatives.optional() }),
  z.strictObject({ type: z.literal("softmax") }),
]);

const part = z.union([z.enum(["all", "none", "head"]), z.strictObject({ lastBlocks: whole })]);
const trains = z.strictObject({
  image: part.default("all"),
  text: part.default("all"),
  temperature: z.boolean().default(true),
  lora: z
    .strictObject({
      rank: whole,
      alpha: positive.optional(),
      dropout: z.number().min(0).lt(1).default(0),
      parts: z.array(z.enum(["attention", "mlp", "pooling"])).min(1).default(["attention", "mlp", "pooling"]),
      towers: z.array(z.enum(["image", "text"])).min(1).default(["image", "text"]),
    })
    .optional(),
});

const factor = z.number().min(0).optional();
const optimizer = z.strictObject({
  type: z.enum(["adamw", "muon"]).default("adamw"),
  learningRate: positive.default(1e-5),
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.95),
  epsilon: positive.default(1e-8),
  weightDecay: z.number().min(0).default(0),
  maxGradientNorm: positive.default(1),
  rates: z.strictObject({ image: factor, text: factor, temperature: factor, layerDecay: positive.max(1).optional() }).prefault({}),
  movingAverage: z.number().min(0).lt(1).optional(),
});
const schedule = z.strictObject({ warmupSteps: z.int().min(0).optional(), floor: share.default(0) });
const checkpoints = z.strictObject({ everySteps: whole.default(100), keep: whole.default(2), best: z.string().optional() });
const device = z.enum(["cpu", "webgpu", "cuda", "tensorrt", "auto"]).default("cpu");

const exportFormat = z.enum(["safetensors", "lora", "onnx", "mmproj"]);

const schema = z.strictObject({
  stage: z.literal("contrastive").default("contrastive"),
  model: z.string().min(1),
  out: z.string().min(1),
  data: dataSchema,
  loss: loss.prefault("sigmoid"),
  trains: trains.prefault({}),
  logitScale: z.union([z.literal("checkpoint"), positive]).default("checkpoint"),
  logitBias: z.union([z.enum(["fitted", "batch", "checkpoint"]), z.number()]).default("fitted"),
  maxLogitScale: positive.optional(),
  optimizer: optimizer.prefault({}),
  schedule: schedule.prefault({}),
  steps: whole.optional(),
  epochs: positive.optional(),
  batchSize: whole.default(32),
  chunk: whole.optional(),
  cacheFeatures: z.boolean().optional(),
  device,
  threads: whole.optional(),
  precision: z.literal("float32").default("float32"),
  seed: z.int().min(0).default(0),
  evaluate: z
    .strictObject({ everySteps: whole.optional(), zeroShot: z.strictObject({ data: sources, templates: z.array(z.string().includes("{label}")).min(1).default(["a photo of a {label}"]) }).optional() })
    .prefault({}),
  checkpoints: checkpoints.prefault({}),
  export: z.array(exportFormat).default(["safetensors"]),
  mmproj: z.string().optional(),
});

const alignModel = z.union([
  z.string().min(1),
  z.strictObject({ mmproj: z.string().min(1), decoder: z.string().min(1) }),
  z.strictObject({ tower: z.string().min(1), decoder: z.string().min(1) }),
]);

const decoderLora = z.strictObject({
  rank: whole,
  alpha: positive.optional(),
  dropout: z.number().min(0).lt(1).default(0),
  parts: z.array(z.enum(["attention", "mlp"])).min(1).default(["attention", "mlp"]),
});

const alignSchema = z.strictObject({
  stage: z.literal("align"),
  model: alignModel,
  out: z.string().min(1),
  data: z.strictObject({
    train: sources,
    validation: sources.optional(),
    imageRoot: z.string().optional(),
    fields: fields.optional(),
    splits: z.array(z.string()).min(1).optional(),
    prompt: z.union([z.string(), z.array(z.string()).min(1)]).default("Describe the picture."),
    system: z.string().min(1).optional(),
    bad: z.enum(["skip", "fail"]).default("skip"),
    maxTokens: whole.min(8).optional(),
    longConversations: z.enum(["cut", "skip", "fail"]).default("cut"),
  }),
  projector: z.strictObject({ type: z.literal("mlp").default("mlp"), start: z.enum(["model", "new"]).optional(), hiddenWidth: whole.optional() }).prefault({}),
  trains: z
    .strictObject({
      projector: z.boolean().default(true),
      decoder: z.union([z.boolean(), z.strictObject({ lora: decoderLora })]).default(false),
      tower: z.union([z.literal(false), z.literal("all"), z.strictObject({ lastBlocks: whole })]).default(false),
    })
    .prefault({}),
  optimizer: optimizer.extend({ learningRate: positive.default(1e-3), rates: z.strictObject({ projector: factor, decoder: factor, tower: factor }).prefault({}) }).prefault({}),
  schedule: schedule.prefault({}),
  steps: whole.optional(),
  epochs: positive.optional(),
  batchSize: whole.default(8),
  chunk: whole.optional(),
  cacheFeatures: z.boolean().default(true),
  device,
  threads: whole.optional(),
  precision: z.literal("float32").default("float32"),
  seed: z.int().min(0).default(0),
  evaluate: z.strictObject({ everySteps: whole.optional() }).prefault({}),
  checkpoints: checkpoints.prefault({}),
  export: z.array(z.enum(["model", "mmproj", "adapter", "decoder"])).optional(),
});

type Sources = string | readonly string[];

/** A configuration whose paths are still as they were written. */
interface Parsed extends Omit<FinetuneConfig, "data" | "evaluate"> {
  readonly data: Omit<FinetuneConfig["data"], "train" | "validation"> & { readonly train: Sources; readonly validation?: Sources };
  readonly evaluate: { readonly everySteps?: number; readonly zeroShot?: { readonly data: Sources; readonly templates: readonly string[] } };
}

/** The same of the stage "align". */
interface ParsedAlign extends Omit<AlignConfig, "data"> {
  readonly data: Omit<AlignConfig["data"], "train" | "validation" | "prompt"> & { readonly train: Sources; readonly validation?: Sources; readonly prompt: Sources };
}

/**
 * Checks a configuration and fills in its defaults. Relative paths start from `folder`.
 * @throws SightlineError `bad-input` naming the first wrong key, what it expects, and the nearest known one for an unknown key
 */
export function parseFinetuneConfig(value: unknown, folder: string = process.cwd(), file = "the configuration"): RunConfig {
  const fail = (problem: string): never => {
    throw new SightlineError("bad-input", `finetune: ${file}: ${problem}`);
  };
  const stage: unknown = typeof value === "object" && value !== null ? Reflect.get(value, "stage") : undefined;
  if (stage !== undefined && stage !== "contrastive" && stage !== "align") fail(`stage: expected "contrastive" or "align", got ${JSON.stringify(stage)}`);
  const known: z.ZodType = stage === "align" ? alignSchema : schema;
  const parsed = known.safeParse(value);
  if (!parsed.success) throw new SightlineError("bad-input", `finetune: ${file}: ${problemOf(known, parsed.error, value)}`, { cause: parsed.error });
  // Properties that are left out are absent, never undefined, after JSON; zod's types do not know that.
  const config = parsed.data as Parsed | ParsedAlign;
  if ((config.steps === undefined) === (config.epochs === undefined)) fail("expected steps or epochs, one of them, to say how long the run is");
  return config.stage === "align" ? absoluteAlign(config, folder, fail) : absoluteContrastive(config, folder, fail);
}

const all = (list: Sources, folder: string): readonly string[] => (typeof list === "string" ? [list] : list).map((name) => path.resolve(folder, name));

/** A model's name as it is, or a path made absolute. */
const model = (name: string, folder: string): string => (name.startsWith(".") || path.isAbsolute(name) ? path.resolve(folder, name) : name);

function absoluteContrastive(config: Parsed, folder: string, fail: (problem: string) => never): FinetuneConfig {
  if (config.export.includes("lora") && !config.trains.lora) fail('export: "lora" needs trains.lora, the adapter that it would write');
  if (config.export.includes("mmproj") && config.mmproj === undefined) fail('export: "mmproj" needs mmproj, the GGUF file whose projector stays');
  if (config.checkpoints.best !== undefined && config.data.validation === undefined && !config.evaluate.zeroShot) fail("checkpoints.best needs data.validation or evaluate.zeroShot, whose figures tell which is best");
  const { train, validation, imageRoot, ...data } = config.data;
  const { zeroShot, ...evaluate } = config.evaluate;
  return {
    ...config,
    model: model(config.model, folder),
    out: path.resolve(folder, config.out),
    ...(config.mmproj === undefined ? {} : { mmproj: path.resolve(folder, config.mmproj) }),
    data: {
      ...data,
      train: all(train, folder),
      ...(validation === undefined ? {} : { validation: all(validation, folder) }),
      ...(imageRoot === undefined ? {} : { imageRoot: path.resolve(folder, imageRoot) }),
    },
    evaluate: { ...evaluate, ...(zeroShot ? { zeroShot: { ...zeroShot, data: all(zeroShot.data, folder) } } : {}) },
  };
}

function absoluteAlign(config: ParsedAlign, folder: string, fail: (problem: string) => never): AlignConfig {
  const { trains } = config;
  if (!trains.projector && trains.decoder === false && trains.tower === false) fail("trains: expected something to be trained: the projector, the decoder or the tower");
  if (config.export?.includes("adapter") === true && typeof trains.decoder !== "object") fail('export: "adapter" needs trains.decoder.lora, the adapter that it would write');
  if (config.checkpoints.best !== undefined && config.data.validation === undefined) fail("checkpoints.best needs data.validation, whose figures tell which is best");
  const isNew = typeof config.model === "object" && "tower" in config.model;
  if (isNew && config.projector.start === "model") fail('projector.start: a tower alone has no projector to go on from; expected "new", or a model with an mmproj');
  if (isNew && !trains.projector) fail("trains.projector: a new projector says nothing until it is trained; expected true");
  const { train, validation, imageRoot, prompt, ...data } = config.data;
  const files = config.model;
  return {
    ...config,
    model:
      typeof files === "string" ? model(files, folder)
      : "tower" in files ? { tower: model(files.tower, folder), decoder: path.resolve(folder, files.decoder) }
      : { mmproj: path.resolve(folder, files.mmproj), decoder: path.resolve(folder, files.decoder) },
    out: path.resolve(folder, config.out),
    projector: { ...config.projector, start: config.projector.start ?? (isNew ? "new" : "model") },
    data: {
      ...data,
      prompt: typeof prompt === "string" ? [prompt] : prompt,
      train: all(train, folder),
      ...(validation === undefined ? {} : { validation: all(validation, folder) }),
      ...(imageRoot === undefined ? {} : { imageRoot: path.resolve(folder, imageRoot) }),
    },
  };
}

/**
 * Reads a configuration file; relative paths in it start from its folder.
 * @throws SightlineError `bad-input` when it cannot be read, is no JSON, or says something wrong
 */
export async function readFinetuneConfig(file: string): Promise<RunConfig> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    throw new SightlineError("bad-input", `finetune: ${file} cannot be read as JSON: ${(cause as Error).message}`, { cause });
  }
  return parseFinetuneConfig(value, path.dirname(path.resolve(file)), file);
}
