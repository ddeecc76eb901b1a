import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { SightlineError } from "../sightline-error.js";
import type { FinetuneConfig } from "./finetune-settings.js";
import { nearestName } from "./nearest-name.js";

const sources = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);
const share = z.number().min(0).max(1);
const positive = z.number().positive();
const whole = z.int().min(1);
const range = z.tuple([positive, positive]);

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
  fields: z.strictObject({ image: z.string().optional(), caption: z.string().optional(), id: z.string().optional() }).optional(),
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

const optimizer = z.strictObject({
  type: z.enum(["adamw", "muon"]).default("adamw"),
  learningRate: positive.default(1e-5),
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.95),
  epsilon: positive.default(1e-8),
  weightDecay: z.number().min(0).default(0),
  maxGradientNorm: positive.default(1),
  rates: z.strictObject({ image: z.number().min(0).optional(), text: z.number().min(0).optional(), temperature: z.number().min(0).optional(), layerDecay: positive.max(1).optional() }).prefault({}),
  movingAverage: z.number().min(0).lt(1).optional(),
});

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
  schedule: z.strictObject({ warmupSteps: z.int().min(0).optional(), floor: share.default(0) }).prefault({}),
  steps: whole.optional(),
  epochs: positive.optional(),
  batchSize: whole.default(32),
  chunk: whole.optional(),
  cacheFeatures: z.boolean().optional(),
  device: z.enum(["cpu", "webgpu", "cuda", "tensorrt", "auto"]).default("cpu"),
  threads: whole.optional(),
  precision: z.literal("float32").default("float32"),
  seed: z.int().min(0).default(0),
  evaluate: z
    .strictObject({ everySteps: whole.optional(), zeroShot: z.strictObject({ data: sources, templates: z.array(z.string().includes("{label}")).min(1).default(["a photo of a {label}"]) }).optional() })
    .prefault({}),
  checkpoints: z.strictObject({ everySteps: whole.default(100), keep: whole.default(2), best: z.string().optional() }).prefault({}),
  export: z.array(exportFormat).default(["safetensors"]),
  mmproj: z.string().optional(),
});

type Sources = string | readonly string[];

/** A configuration whose paths are still as they were written. */
interface Parsed extends Omit<FinetuneConfig, "data" | "evaluate"> {
  readonly data: Omit<FinetuneConfig["data"], "train" | "validation"> & { readonly train: Sources; readonly validation?: Sources };
  readonly evaluate: { readonly everySteps?: number; readonly zeroShot?: { readonly data: Sources; readonly templates: readonly string[] } };
}

/**
 * Checks a configuration and fills in its defaults. Relative paths start from `folder`.
 * @throws SightlineError `bad-input` naming the first wrong key, what it expects, and the nearest known one for an unknown key
 */
export function parseFinetuneConfig(value: unknown, folder: string = process.cwd(), file = "the configuration"): FinetuneConfig {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new SightlineError("bad-input", `finetune: ${file}: ${problemOf(parsed.error, value)}`, { cause: parsed.error });
  // Properties that are left out are absent, never undefined, after JSON; zod's types do not know that.
  const config = parsed.data as unknown as Parsed;
  const fail = (problem: string): never => {
    throw new SightlineError("bad-input", `finetune: ${file}: ${problem}`);
  };
  if ((config.steps === undefined) === (config.epochs === undefined)) fail("expected steps or epochs, one of them, to say how long the run is");
  if (config.export.includes("lora") && !config.trains.lora) fail('export: "lora" needs trains.lora, the adapter that it would write');
  if (config.export.includes("mmproj") && config.mmproj === undefined) fail('export: "mmproj" needs mmproj, the GGUF file whose projector stays');
  if (config.checkpoints.best !== undefined && config.data.validation === undefined && !config.evaluate.zeroShot) fail("checkpoints.best needs data.validation or evaluate.zeroShot, whose figures tell which is best");
  const at = (name: string): string => path.resolve(folder, name);
  const all = (list: Sources): readonly string[] => (typeof list === "string" ? [list] : list).map(at);
  const isPath = config.model.startsWith(".") || path.isAbsolute(config.model);
  const { train, validation, imageRoot, ...data } = config.data;
  const { zeroShot, ...evaluate } = config.evaluate;
  return {
    ...config,
    model: isPath ? at(config.model) : config.model,
    out: at(config.out),
    ...(config.mmproj === undefined ? {} : { mmproj: at(config.mmproj) }),
    data: {
      ...data,
      train: all(train),
      ...(validation === undefined ? {} : { validation: all(validation) }),
      ...(imageRoot === undefined ? {} : { imageRoot: at(imageRoot) }),
    },
    evaluate: { ...evaluate, ...(zeroShot ? { zeroShot: { ...zeroShot, data: all(zeroShot.data) } } : {}) },
  };
}

/**
 * Reads a configuration file; relative paths in it start from its folder.
 * @throws SightlineError `bad-input` when it cannot be read, is no JSON, or says something wrong
 */
export async function readFinetuneConfig(file: string): Promise<FinetuneConfig> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    throw new SightlineError("bad-input", `finetune: ${file} cannot be read as JSON: ${(cause as Error).message}`, { cause });
  }
  return parseFinetuneConfig(value, path.dirname(path.resolve(file)), file);
}

function problemOf(error: z.ZodError, value: unknown): string {
  const [issue] = error.issues;
  if (!issue) return error.message;
  const where = issue.path.join(".");
  if (issue.code !== "unrecognized_keys") return `${where === "" ? "" : `${where}: `}${issue.message}${got(value, issue.path)}`;
  const [key = ""] = issue.keys;
  const known = knownKeys(issue.path);
  const near = nearestName(key, known);
  return `unknown key "${[...issue.path, key].join(".")}"; ${near === undefined ? `expected one of ${known.join(", ")}` : `did you mean "${near}"?`}`;
}

function got(value: unknown, at: readonly PropertyKey[]): string {
  const found = at.reduce<unknown>((inner, key) => (typeof inner === "object" && inner !== null ? Reflect.get(inner, key) : undefined), value);
  return found === undefined ? "" : `, got ${JSON.stringify(found)}`;
}

/** The keys that an object of the configuration may have. */
function knownKeys(at: readonly PropertyKey[]): string[] {
  let inner: z.core.$ZodType | undefined = schema;
  for (const key of at) inner = objectIn(inner)?.shape[String(key)];
  return Object.keys(objectIn(inner)?.shape ?? {});
}

/** The object inside optional, default and union types. */
function objectIn(type: z.core.$ZodType | undefined): z.ZodObject | undefined {
  if (type instanceof z.ZodObject) return type;
  if (type instanceof z.ZodOptional || type instanceof z.ZodDefault || type instanceof z.ZodPrefault) return objectIn(type.unwrap() as z.core.$ZodType);
  if (type instanceof z.ZodUnion) return type.options.map((option) => objectIn(option as z.core.$ZodType)).find((found) => found !== undefined);
  return undefined;
}
