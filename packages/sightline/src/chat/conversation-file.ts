import { readImage } from "@sightline/vision-tower";
import { openSafetensors, writeSafetensors, type TensorToWrite, type WeightSource } from "@sightline/weights";
import { z } from "zod";
import { SightlineError } from "../sightline-error.js";
import { partsOf, type ChatMessage, type ImagePart } from "./messages.js";

/** What is saved of a conversation. */
export interface SavedConversation {
  readonly messages: readonly ChatMessage[];
  /** Names the model that rows and keys are of; they are of no use to another. */
  readonly model: string;
  /** Rows of its pictures by key. */
  readonly rows: ReadonlyMap<string, readonly Float32Array[]>;
  /** Keys and values of its beginning, where the decoder held any. */
  readonly cache: Uint8Array | undefined;
}

const format = "sightline conversation 1";

const image = z.object({ type: z.literal("image"), image: z.int().min(0), detail: z.enum(["low", "high", "auto"]).optional() }).strict();
const text = z.object({ type: z.literal("text"), text: z.string() }).strict();
const headerSchema = z.object({
  model: z.string(),
  messages: z.array(z.object({ role: z.enum(["system", "user", "assistant"]), content: z.union([z.string(), z.array(z.union([text, image]))]) }).strict()),
  images: z.int().min(0).max(100_000),
  rows: z.array(z.object({ key: z.string(), parts: z.int().min(0).max(10_000) }).strict()),
  cached: z.boolean(),
}).strict();

/**
 * Writes a conversation to a file, atomically: a safetensors file whose metadata holds the messages, and whose tensors are
 * the image files (U8), the rows of the pictures (F32 [N, W]) and the decoder's cache (U8). It can be read anywhere, also
 * without this model.
 * @param width W
 * @throws WeightsError when the system refuses; ImageError for an image that is gone
 */
export async function writeConversation(file: string, { messages, model, rows, cache }: SavedConversation, width: number): Promise<void> {
  const images: Uint8Array[] = [];
  const numbered = new Map<ImagePart, number>();
  for (const part of messages.flatMap(partsOf)) {
    if (part.type !== "image" || numbered.has(part)) continue;
    numbered.set(part, images.length);
    images.push((await readImage(part.image)).bytes);
  }
  const header = {
    model,
    messages: messages.map(({ role, content }) => ({
      role,
      content: typeof content === "string" ? content : content.map((part) => (part.type === "text" ? { type: part.type, text: part.text } : { type: part.type, image: numbered.get(part), ...(part.detail ? { detail: part.detail } : {}) })),
    })),
    images: images.length,
    rows: [...rows].map(([key, parts]) => ({ key, parts: parts.length })),
    cached: cache !== undefined,
  };
  const tensors: TensorToWrite[] = [
    ...images.map((data, i): TensorToWrite => ({ name: `image.${i}`, dtype: "U8", shape: [data.length], data })),
    ...[...rows.values()].flatMap((parts, i) => parts.map((data, part): TensorToWrite => ({ name: `rows.${i}.${part}`, dtype: "F32", shape: [data.length / width, width], data }))),
    ...(cache ? [{ name: "cache", dtype: "U8", shape: [cache.length], data: cache } as const] : []),
  ];
  await writeSafetensors(file, tensors, { format, conversation: JSON.stringify(header) });
}

/**
 * Reads what `writeConversation` wrote; images come as bytes.
 * @throws SightlineError `bad-input` for a file that is no conversation, WeightsError for a damaged one
 */
export async function readConversation(file: string): Promise<SavedConversation> {
  await using source = await openSafetensors(file);
  const bad = (problem: string, cause?: unknown): SightlineError => new SightlineError("bad-input", `readConversation: ${file}: ${problem}`, cause === undefined ? {} : { cause });
  if (source.metadata.get("format") !== format) throw bad(`expected a file that saveConversation wrote ("${format}"), got format ${JSON.stringify(source.metadata.get("format") ?? null)}`);
  let json: unknown;
  try {
    json = JSON.parse(String(source.metadata.get("conversation")));
  } catch (cause) {
    throw bad("its messages are no JSON", cause);
  }
  const parsed = headerSchema.safeParse(json);
  if (!parsed.success) throw bad(`${parsed.error.issues[0]?.path.join(".")}: ${parsed.error.issues[0]?.message}`, parsed.error);
  const { model, messages, images, rows, cached } = parsed.data;
  const files = await Promise.all(Array.from({ length: images }, (_, i) => tensorOf(source, `image.${i}`, bad, (name) => source.readBytes(name))));
  const imageOf = (index: number): Uint8Array => files[index] ?? raise(bad(`a message shows image ${index}, and there are ${images}`));
  return {
    model,
    messages: messages.map(({ role, content }) => ({
      role,
      content: typeof content === "string" ? content : content.map((part) => (part.type === "text" ? part : { type: "image" as const, image: imageOf(part.image), ...(part.detail ? { detail: part.detail } : {}) })),
    })),
    rows: new Map(await Promise.all(rows.map(async ({ key, parts }, i) => [key, await Promise.all(Array.from({ length: parts }, (_, part) => tensorOf(source, `rows.${i}.${part}`, bad, (name) => source.readFloat32(name))))] as const))),
    cache: cached ? await tensorOf(source, "cache", bad, (name) => source.readBytes(name)) : undefined,
  };
}

async function tensorOf<T>(source: WeightSource, name: string, bad: (problem: string) => SightlineError, read: (name: string) => Promise<T>): Promise<T> {
  if (!source.tensors.has(name)) throw bad(`it holds no "${name}"`);
  return read(name);
}

function raise(error: Error): never {
  throw error;
}
