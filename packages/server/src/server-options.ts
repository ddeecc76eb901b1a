import type { LoadOptions, ModelPaths, VisionChatOptions } from "sightline";
import { z } from "zod";
import { limitsSchema, type Limits } from "./limits.js";
import type { ServerLog } from "./log.js";

/** A vision-language model to serve. */
export interface ChatToServe extends Omit<VisionChatOptions, "signal" | "onProgress"> {
  /** What requests call it. */
  readonly name: string;
  /** "mini", a folder, or the paths of its two files; see `loadVisionChat`. */
  readonly path: string | ModelPaths;
}

/** A SigLIP model to serve, for embeddings, tags and heatmaps. */
export interface SiglipToServe extends Omit<LoadOptions, "signal" | "towers"> {
  readonly name: string;
  /** A folder; see `loadSiglip`. */
  readonly path: string;
}

/** How far a model that is being fetched has come. */
export interface PullProgress {
  readonly status: string;
  readonly file?: string;
  readonly loadedBytes?: number;
  readonly totalBytes?: number;
}

/** Fetches a model by a name that a client gave, and says how to serve it. */
export type PullModel = (model: string, options: { readonly signal: AbortSignal; readonly onProgress: (event: PullProgress) => void }) => Promise<ChatToServe | (SiglipToServe & { readonly kind: "siglip" })>;

/** A model that can be fetched, and what it will be. */
export interface PullableModel {
  readonly name: string;
  readonly kind: "chat" | "siglip";
  /** About how much there is to fetch; 0: all of it is here. Unknown when left out. */
  readonly bytes?: number;
}

/** Settings of `startServer`. */
export interface ServerOptions {
  /** "127.0.0.1" when left out: this machine alone. */
  readonly host?: string;
  /** 8080 when left out; 0: any that is free. */
  readonly port?: number;
  /** The first one answers requests that name none, and is loaded at once. */
  readonly models?: readonly ChatToServe[];
  readonly siglip?: readonly SiglipToServe[];
  /** Keys of which requests must bring one (`Authorization: Bearer`); nobody is asked when left out. See `readApiKeys`. */
  readonly apiKeys?: readonly string[];
  /** The only folder of which requests may name files, as `file://` URLs or paths. No file is read when left out. */
  readonly mediaRoot?: string;
  /** Hosts that images may be fetched from over https: "example.com", "*.example.com", "example.com:8443". None when left out. */
  readonly allowedImageHosts?: readonly string[];
  /** "host:port" of servers of your own: http and private addresses are allowed for these, for tests and development. */
  readonly localImageHosts?: readonly string[];
  /** Origins whose pages may use the server; none when left out. "*" is every page. */
  readonly corsOrigins?: readonly string[];
  /** More names by which this server may be reached while it listens on a loopback address. */
  readonly allowedHosts?: readonly string[];
  /** A built web page to serve at "/". */
  readonly staticDirectory?: string;
  readonly limits?: Partial<Limits>;
  /** Seconds after which a model that nobody uses is unloaded; never when left out. */
  readonly idleUnloadSeconds?: number;
  /** Silent when left out. */
  readonly log?: ServerLog;
  /** Fetches what `POST /v1/models/pull` names; without it only models that are served can be named, which loads them. */
  readonly pullModel?: PullModel;
  /** What `pullModel` knows, for `/v1/models` to list as available. */
  readonly pullableModels?: readonly PullableModel[];
}

/** Every option set and checked. */
export interface ServerSettings extends ServerOptions {
  readonly host: string;
  readonly port: number;
  readonly models: readonly ChatToServe[];
  readonly siglip: readonly SiglipToServe[];
  readonly limits: Limits;
}

const name = z.string().min(1).max(200).regex(/^[\w.@:/+-]+$/, "expected letters, digits and . _ - / : @ +");
const named = z.looseObject({ name });
const strings = z.array(z.string().min(1));

const schema = z.strictObject({
  host: z.string().min(1).default("127.0.0.1"),
  port: z.int().min(0).max(65_535).default(8080),
  models: z.array(named.extend({ path: z.union([z.string().min(1), z.object({ mmproj: z.string(), decoder: z.string() })]), conversations: z.int().min(1).max(256).optional() })).default([]),
  siglip: z.array(named.extend({ path: z.string().min(1) })).default([]),
  apiKeys: z.array(z.string().min(1)).min(1, "expected at least one key; leave it out to ask nobody").optional(),
  mediaRoot: z.string().min(1).optional(),
  allowedImageHosts: strings.optional(),
  localImageHosts: strings.optional(),
  corsOrigins: strings.optional(),
  allowedHosts: strings.optional(),
  staticDirectory: z.string().min(1).optional(),
  limits: z.preprocess((value) => value ?? {}, limitsSchema),
  idleUnloadSeconds: z.number().positive().optional(),
  log: z.unknown().optional(),
  pullModel: z.unknown().optional(),
  pullableModels: z.array(z.object({ name: z.string().min(1), kind: z.enum(["chat", "siglip"]), bytes: z.number().min(0).optional() })).optional(),
});

/** @throws RangeError that names the option that cannot be used */
export function parseServerOptions(options: ServerOptions): ServerSettings {
  const parsed = schema.safeParse(options);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new RangeError(`startServer: ${issue?.path.join(".") || "options"}: ${issue?.message ?? "not understood"}`);
  }
  const settings = parsed.data as unknown as ServerSettings;
  const names = [...settings.models, ...settings.siglip].map((model) => model.name);
  if (names.length === 0 && settings.pullModel === undefined) throw new RangeError("startServer: models: expected at least one model, or siglip, got none");
  const twice = names.find((one, i) => names.indexOf(one) !== i);
  if (twice !== undefined) throw new RangeError(`startServer: models: the name "${twice}" is given twice; give each model a name of its own`);
  return settings;
}
