import { readFile } from "node:fs/promises";
import { SightlineError } from "sightline";
import { writeDurably } from "sightline/cli";
import { z } from "zod";
import { manifestFile } from "./run-folder.js";

/** What is done with each image. */
export type BulkTask = "embed" | "caption";

/** What decides the result of an image, beside the model. */
export type TaskSettings = EmbedSettings | CaptionSettings;

/** A run that embeds images. */
export interface EmbedSettings {
  readonly task: "embed";
  /** Embeddings of length 1. */
  readonly normalize: boolean;
  /** How many images go through the tower together. */
  readonly batch: number;
  readonly precision: "float32" | "float16" | "int8" | "auto";
  readonly imageSize?: number | undefined;
  readonly maxPatches?: number | undefined;
}

/** A run that captions images. */
export interface CaptionSettings {
  readonly task: "caption";
  readonly prompt: string;
  readonly maxTokens: number;
  readonly precision: "float32" | "int8" | "auto";
}

/** Images that are one job. */
export interface Shard {
  readonly images: number;
  /** Of images.jsonl, in the order of the shards. */
  readonly bytes: number;
}

/** What a run is: written once, by `submit`, and read by everybody else. */
export interface RunManifest {
  readonly version: 1;
  /** Of this run alone; its queue is named after it. */
  readonly id: string;
  readonly created: string;
  /** As it was named to `submit`; a worker may name another place where the same model lies. */
  readonly model: string;
  readonly fingerprint: string;
  readonly settings: TaskSettings;
  /** As they were given. */
  readonly inputs: readonly string[];
  /** Where relative paths start. */
  readonly base: string;
  /** The most images of a shard. */
  readonly shardSize: number;
  readonly images: number;
  /** Inputs that were named a second time, and passed over. */
  readonly duplicates: number;
  readonly shards: readonly Shard[];
}

const precision = z.enum(["float32", "float16", "int8", "auto"]);
const whole = z.int().min(1);

const settingsSchema = z.discriminatedUnion("task", [
  z.strictObject({ task: z.literal("embed"), normalize: z.boolean(), batch: whole, precision, imageSize: whole.optional(), maxPatches: whole.optional() }),
  z.strictObject({ task: z.literal("caption"), prompt: z.string().min(1), maxTokens: whole, precision: z.enum(["float32", "int8", "auto"]) }),
]);

const manifestSchema = z
  .strictObject({
    version: z.literal(1),
    id: z.string().regex(/^[0-9a-f]{16}$/),
    created: z.string(),
    model: z.string().min(1),
    fingerprint: z.string().min(1),
    settings: settingsSchema,
    inputs: z.array(z.string()),
    base: z.string(),
    shardSize: whole,
    images: whole,
    duplicates: z.int().min(0),
    shards: z.array(z.strictObject({ images: whole, bytes: whole })),
  })
  .refine(({ images, shards }) => shards.reduce((sum, shard) => sum + shard.images, 0) === images, "the shards do not add up to the images");

/** @throws Error naming the fields that are wrong */
export function parseRunManifest(value: unknown): RunManifest {
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Error(parsed.error.issues.map(({ path, message }) => `${path.join(".") || "manifest"}: ${message}`).join("; "));
}

/** @throws Error naming the fields that are wrong */
export function parseTaskSettings(value: unknown): TaskSettings {
  const parsed = settingsSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Error(parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
}

/** @returns undefined where there is no run; throws SightlineError `journal-damaged` for a manifest that is none */
export async function findRunManifest(folder: string): Promise<RunManifest | undefined> {
  const file = manifestFile(folder);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new SightlineError("bad-input", `bulk: ${file}: cannot be read`, { cause });
  }
  try {
    return parseRunManifest(JSON.parse(text));
  } catch (cause) {
    throw new SightlineError("journal-damaged", `bulk: ${file}: is no manifest of a run: ${(cause as Error).message}; submit the work to another folder`, { cause });
  }
}

/** @throws SightlineError `bad-input` where there is no run, and as `findRunManifest` */
export async function readRunManifest(folder: string): Promise<RunManifest> {
  const manifest = await findRunManifest(folder);
  if (!manifest) throw new SightlineError("bad-input", `bulk: ${folder} holds no run; begin one with: sightline bulk submit <images…> --run ${folder} --task embed`);
  return manifest;
}

export async function writeRunManifest(folder: string, manifest: RunManifest): Promise<void> {
  const file = manifestFile(folder);
  await writeDurably(file, `${file}.${manifest.id}.new`, (to) => to.writeFile(`${JSON.stringify(manifest)}\n`));
}
