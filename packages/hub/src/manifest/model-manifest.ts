import { z } from "zod";
import { HubError } from "../hub-error.js";
import { checkRevision, isRepositoryName } from "../model-reference.js";

/** What a file is to a model. */
export type ModelPart = "decoder" | "vision" | "checkpoint";

/** A file, or several by a glob, that a model needs. */
export interface ManifestFile {
  /** `decoder`: a GGUF; `vision`: an mmproj GGUF; `checkpoint`: files of a Hugging Face checkpoint. */
  readonly part: ModelPart;
  /** `owner/name` */
  readonly repository: string;
  /** Branch, tag or commit; null: `main`, at whatever commit it is when it is pulled, which is then recorded. */
  readonly revision: string | null;
  /** Name in the repository, or a glob where the exact name was not checked or does not matter. */
  readonly path: string;
  /** Of a decoder, where there are several to choose from; null where there is no choice. */
  readonly quantisation: string | null;
  /** null: not known here; learnt at the first download. */
  readonly bytes: number | null;
  /** null: not known here; learnt at the first download. */
  readonly sha256: string | null;
  /** Whether repository and path were seen in public text when the manifest was written; nothing was asked of the hub itself. */
  readonly checked: boolean;
}

/** The vision tower's shape; parameters are computed from it. */
export interface ManifestTower {
  readonly family: "siglip" | "siglip2-naflex" | "qwen3-vl" | "clip" | "dinov2" | "eva02-clip";
  /** Where the weights come from, as people call it. */
  readonly origin: string;
  /** Pixels; null where pictures keep their shape. */
  readonly imageSize: number | null;
  readonly patchSize: number;
  /** D */
  readonly width: number;
  /** L */
  readonly blocks: number;
  /** A */
  readonly heads: number;
  readonly feedForward: number;
  /** Rows of the position table, where it is not one for each patch of `imageSize`. */
  readonly positions: number | null;
  /** Whether the attention-pooling head (MAP) is part of the files. */
  readonly poolingHead: boolean;
}

/** The text tower of a checkpoint that compares images with texts. */
export interface ManifestText {
  readonly width: number;
  readonly blocks: number;
  readonly feedForward: number;
  readonly vocabulary: number;
  /** T: tokens of a text, padding included. */
  readonly length: number;
}

/** The language decoder's shape, as in its config.json. */
export interface ManifestDecoder {
  /** `general.architecture` of its GGUF. */
  readonly architecture: string;
  /** L */
  readonly blocks: number;
  /** E; deepstack levels not counted. */
  readonly width: number;
  /** A */
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headWidth: number;
  readonly feedForward: number;
  /** V */
  readonly vocabulary: number;
  /** Input and output embeddings are one table. */
  readonly tiedEmbeddings: boolean;
  /** Positions that it was trained with. */
  readonly context: number;
  /** Blocks that keep keys and values, where some do not (convolutions); null: all. */
  readonly attentionBlocks: number | null;
}

/** What is known of a model: where its files are, what they need, under which terms. */
export interface ModelManifest {
  readonly name: string;
  readonly title: string;
  /** `pair`: tower, projector and decoder, for chats; `tower`: for embeddings and tags; `embedded`: comes with the package. */
  readonly kind: "pair" | "tower" | "embedded";
  /** Hub names of the model that mean the same. */
  readonly aliases: readonly string[];
  readonly license: {
    /** As the hub names it: an SPDX identifier in small letters, or a name such as `gemma`. */
    readonly id: string;
    readonly url: string;
    /** What it asks beyond an open-source licence, in a sentence; null where it is one. */
    readonly conditions: string | null;
  };
  /** Whether a repository that is pulled from asks for terms to be accepted first; null: not known here. */
  readonly gated: boolean | null;
  readonly tower: ManifestTower;
  readonly text: ManifestText | null;
  /** `clip.projector_type`; null for a tower alone. */
  readonly projector: { readonly type: string; readonly parameters: number | null } | null;
  readonly decoder: ManifestDecoder | null;
  /** N of a picture seen whole, and in the highest detail; for a tower alone P. */
  readonly tokensPerImage: { readonly least: number; readonly most: number };
  readonly files: readonly ManifestFile[];
  readonly defaultQuantisation: string | null;
  /** Where the numbers were read. */
  readonly sources: readonly string[];
  /** What somebody should know before they pull it. */
  readonly notes: string | null;
}

const count = z.number().int().positive();
const repository = z.string().refine(isRepositoryName, "expected owner/name");
const revision = z.string().refine((text) => {
  try {
    checkRevision(text);
    return true;
  } catch {
    return false;
  }
}, "expected a branch, a tag or a commit");
const fileName = z.string().min(1).refine((text) => !text.startsWith("/") && !text.split("/").includes(".."), "expected a path inside the repository");

const fileSchema = z.strictObject({
  part: z.enum(["decoder", "vision", "checkpoint"]),
  repository,
  revision: revision.nullable(),
  path: fileName,
  quantisation: z.string().min(1).nullable(),
  bytes: count.nullable(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/).nullable(),
  checked: z.boolean(),
});

const towerSchema = z.strictObject({
  family: z.enum(["siglip", "siglip2-naflex", "qwen3-vl", "clip", "dinov2", "eva02-clip"]),
  origin: z.string().min(1),
  imageSize: count.nullable(),
  patchSize: count,
  width: count,
  blocks: count,
  heads: count,
  feedForward: count,
  positions: count.nullable(),
  poolingHead: z.boolean(),
});

const decoderSchema = z.strictObject({
  architecture: z.string().min(1),
  blocks: count,
  width: count,
  heads: count,
  keyValueHeads: count,
  headWidth: count,
  feedForward: count,
  vocabulary: count,
  tiedEmbeddings: z.boolean(),
  context: count,
  attentionBlocks: count.nullable(),
});

const manifestSchema = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9.-]*$/),
    title: z.string().min(1),
    kind: z.enum(["pair", "tower", "embedded"]),
    aliases: z.array(repository),
    license: z.strictObject({ id: z.string().min(1), url: z.url(), conditions: z.string().min(1).nullable() }),
    gated: z.boolean().nullable(),
    tower: towerSchema,
    text: z.strictObject({ width: count, blocks: count, feedForward: count, vocabulary: count, length: count }).nullable(),
    projector: z.strictObject({ type: z.string().min(1), parameters: count.nullable() }).nullable(),
    decoder: decoderSchema.nullable(),
    tokensPerImage: z.strictObject({ least: count, most: count }).refine(({ least, most }) => least <= most, "expected least <= most"),
    files: z.array(fileSchema),
    defaultQuantisation: z.string().min(1).nullable(),
    sources: z.array(z.string().min(1)).min(1),
    notes: z.string().min(1).nullable(),
  })
  .superRefine((manifest, context) => {
    for (const problem of problemsOf(manifest)) context.addIssue({ code: "custom", message: problem });
  });

function problemsOf({ kind, files, decoder, projector, defaultQuantisation, notes }: ModelManifest): readonly string[] {
  const has = (part: ModelPart): boolean => files.some((file) => file.part === part);
  const quantisations = files.flatMap((file) => (file.part === "decoder" ? [file.quantisation] : []));
  return [
    ...(kind === "embedded" && files.length > 0 ? ["an embedded model has no files to pull"] : []),
    ...(kind === "tower" && (decoder || projector || !has("checkpoint") || files.some(({ part }) => part !== "checkpoint")) ? ["a tower is files of a checkpoint, without decoder and projector"] : []),
    ...(kind === "pair" && (!decoder || !projector) ? ["a pair has a decoder and a projector"] : []),
    ...(kind === "pair" && !has("vision") && !has("checkpoint") ? ["a pair has an mmproj or a checkpoint"] : []),
    ...(kind === "pair" && !has("decoder") && notes === null ? ["a pair without a decoder's files says in its notes where one is to be had"] : []),
    ...(new Set(quantisations).size < quantisations.length ? ["two decoders have the same quantisation"] : []),
    ...(quantisations.length > 0 && !quantisations.includes(defaultQuantisation) ? ["defaultQuantisation is none of the decoders'"] : []),
  ];
}

/**
 * Checks a manifest.
 * @throws HubError `bad-manifest` naming the field
 */
export function parseModelManifest(value: unknown, from = "a manifest"): ModelManifest {
  const result = manifestSchema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new HubError("bad-manifest", `parseModelManifest: ${from}: ${issue?.path.join(".") || "manifest"}: ${issue?.message ?? "is no manifest"}`, { cause: result.error });
}
