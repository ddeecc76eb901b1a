import path from "node:path";
import { defined, UsageError } from "sightline/cli";
import { readApiKeys } from "./http/api-keys.js";
import { hubModels } from "./hub-models.js";
import type { ServerLog } from "./log.js";
import type { ChatToServe, ServerOptions, SiglipToServe } from "./server-options.js";

/** Options of `sightline serve` as commander gives them. */
export interface ServeCommandOptions {
  readonly host: string;
  readonly port: number;
  readonly model?: readonly string[];
  readonly siglip?: readonly string[];
  readonly conversations?: number;
  readonly context?: number;
  readonly threads?: number;
  readonly device?: NonNullable<ChatToServe["device"]>;
  readonly precision?: "float32" | "int8" | "auto";
  readonly gpuLayers?: number | "auto";
  readonly embeddingStore?: string;
  readonly apiKeys?: string;
  readonly mediaRoot?: string;
  readonly allowImageHost?: readonly string[];
  readonly localImageHost?: readonly string[];
  readonly allowHost?: readonly string[];
  readonly corsOrigin?: readonly string[];
  readonly static?: string;
  readonly allowPull?: boolean;
  readonly waiting?: number;
  readonly maxTokens?: number;
  readonly seconds?: number;
  readonly bodyMb?: number;
  readonly idleUnload?: number;
  readonly log: NonNullable<ServerLog["level"]> | "silent";
}

/** What `startServer` takes. Without a model, mini is served, with its SigLIP. */
export async function serverOptions(options: ServeCommandOptions): Promise<ServerOptions> {
  const { device, precision, threads } = options;
  const tower = defined({ device, precision, threads });
  const none = options.model === undefined && options.siglip === undefined;
  const chat = defined({ conversations: options.conversations, contextLength: options.context, gpuLayers: options.gpuLayers, embeddingStore: options.embeddingStore === undefined ? undefined : { directory: options.embeddingStore } });
  const models = (options.model ?? (none ? ["mini"] : [])).map((text): ChatToServe => ({ ...named(text), ...tower, ...chat }));
  const siglip = (options.siglip ?? (none ? ["mini-siglip=mini"] : [])).map((text): SiglipToServe => ({ ...named(text), ...tower }));
  const limits = defined({
    waiting: options.waiting, tokens: options.maxTokens, seconds: options.seconds,
    bodyBytes: options.bodyMb === undefined ? undefined : options.bodyMb * 2 ** 20,
  });
  return {
    host: options.host,
    port: options.port,
    models,
    siglip,
    limits,
    ...(options.allowPull ? await hubModels() : {}),
    ...defined({
      apiKeys: options.apiKeys === undefined ? undefined : await readApiKeys(options.apiKeys),
      mediaRoot: options.mediaRoot, allowedImageHosts: options.allowImageHost, localImageHosts: options.localImageHost, allowedHosts: options.allowHost,
      corsOrigins: options.corsOrigin, staticDirectory: options.static, idleUnloadSeconds: options.idleUnload,
      log: options.log === "silent" ? undefined : { level: options.log },
    }),
  };
}

/** "name=path", or a path, whose last part is the name. */
function named(text: string): { readonly name: string; readonly path: string } {
  const at = text.indexOf("=");
  const [name, model] = at < 0 ? [path.basename(text), text] : [text.slice(0, at), text.slice(at + 1)];
  if (name === "" || model === "") throw new UsageError(`serve: expected <path> or <name>=<path>, got ${JSON.stringify(text)}`);
  return { name, path: model };
}
