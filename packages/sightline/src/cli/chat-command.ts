import type { Device } from "@sightline/graph";
import { Command, Option } from "commander";
import { readFile } from "node:fs/promises";
import type { GenerateOptions, JsonSchema } from "@sightline/decoder";
import { loadVisionChat, type VisionChat, type VisionChatOptions } from "../chat/vision-chat.js";
import type { ChatMessage } from "../chat/messages.js";
import { defined } from "../defined.js";
import type { Detail } from "../image-families/image-family.js";
import type { ChatRequest } from "../chat/vision-chat.js";
import { chatLoop } from "./chat-loop.js";
import { exitCodes, UsageError } from "./failure.js";
import { abortOnInterrupt } from "./interrupt.js";
import { numberBetween, wholeNumber } from "./option-values.js";
import { pullIfNamed } from "./pull-progress.js";

interface ChatOptions {
  readonly prompt?: string;
  readonly model: string;
  readonly pull?: boolean;
  readonly mmproj?: string;
  readonly decoder?: string;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repeatPenalty?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly jsonSchema?: string;
  readonly grammar?: string;
  readonly system?: string;
  readonly detail?: Detail;
  readonly preprocessing?: "huggingface" | "llama.cpp";
  readonly panAndScan?: boolean;
  readonly context?: number;
  readonly overflow?: "error" | "drop-oldest";
  readonly threads?: number;
  readonly device?: Device;
  readonly precision?: "float32" | "int8" | "auto";
  readonly gpuLayers?: number | "auto";
  readonly cacheType?: "f16" | "f32" | "q8_0";
  readonly lora?: readonly string[];
  readonly embeddingStore?: string;
  readonly load?: string;
  readonly json?: boolean;
}

/** `sightline chat`: one answer with -p, a conversation without. */
export function chatCommand(): Command {
  return new Command("chat")
    .description("Talk about images.")
    .argument("[images...]", "image files: JPEG, PNG, WebP, GIF, TIFF, AVIF")
    .option("-p, --prompt <text>", "ask this and leave; without it a conversation starts")
    .option("--model <name|folder>", '"mini", a model that was pulled (`sightline list`), or a folder with a decoder\'s .gguf and mmproj*.gguf or a Hugging Face checkpoint', "mini")
    .option("--pull", "download the model first where it is not here")
    .option("--mmproj <path>", "the mmproj .gguf or checkpoint folder, instead of --model; needs --decoder")
    .option("--decoder <path>", "the decoder's .gguf, instead of --model; needs --mmproj")
    .option("--system <text>", "a system message")
    .option("--load <file>", "go on with a conversation that /save wrote")
    .option("--json", "print one JSON object with text, usage and timings; needs -p")
    .optionsGroup("Images:")
    .addOption(new Option("--detail <level>", "low: whole and once; high: in all parts that the model knows; auto: as the model does").choices(["low", "high", "auto"]))
    .addOption(new Option("--preprocessing <whose>", "whose way of preparing pixels").choices(["huggingface", "llama.cpp"]))
    .option("--pan-and-scan", "Gemma 3: crops of long pictures beside the whole one")
    .option("--embedding-store <folder>", "keep the rows of pictures there from run to run")
    .optionsGroup("Answers:")
    .option("--max-tokens <n>", "length of an answer at most", wholeNumber(1), 256)
    .option("--temperature <x>", "0 always takes the likeliest token", numberBetween(0, 5), 0)
    .option("--top-k <n>", "among so many tokens", wholeNumber(0))
    .option("--top-p <x>", "among tokens of this share of probability", numberBetween(0, 1))
    .option("--min-p <x>", "among tokens at least this likely beside the likeliest", numberBetween(0, 1))
    .option("--repeat-penalty <x>", "1 is none", numberBetween(0, 10))
    .option("--seed <n>", "makes sampling repeatable", wholeNumber(0))
    .option("--stop <text...>", "end the answer before this text")
    .option("--json-schema <file>", "answers fit this JSON schema")
    .option("--grammar <file>", "answers fit this GBNF grammar")
    .optionsGroup("The model:")
    .option("--context <tokens>", "what a conversation may hold, images included", wholeNumber(1))
    .addOption(new Option("--overflow <what>", "of a conversation that is longer").choices(["error", "drop-oldest"]))
    .option("--threads <n>", "of tower and decoder", wholeNumber(1))
    .addOption(new Option("--device <name>", "where the tower runs").choices(["cpu", "webgpu", "cuda", "tensorrt"]))
    .addOption(new Option("--precision <name>", "of the tower; auto: int8 where it is faster and agrees with float32").choices(["float32", "int8", "auto"]))
    .option("--gpu-layers <n|auto>", "layers of the decoder on a GPU", (text) => (text === "auto" ? text : wholeNumber(0)(text)))
    .addOption(new Option("--cache-type <type>", "what keys and values are stored as").choices(["f32", "f16", "q8_0"]))
    .option("--lora <path...>", "LoRA adapters of the decoder")
    .action(runChat);
}

async function runChat(images: readonly string[], options: ChatOptions): Promise<void> {
  const { prompt, json } = options;
  if (json && prompt === undefined) throw new UsageError("chat: --json needs a prompt: add -p");
  if ((options.mmproj === undefined) !== (options.decoder === undefined)) throw new UsageError("chat: --mmproj and --decoder belong together: give both or neither");
  const model = options.mmproj !== undefined && options.decoder !== undefined ? { mmproj: options.mmproj, decoder: options.decoder } : options.model;
  const answering = await answerOptions(options);
  const signal = abortOnInterrupt();
  try {
    if (options.pull && typeof model === "string") await pullIfNamed(model, signal);
    await using chat = await loadVisionChat(model, { ...loadOptions(options), signal });
    const ask = (messages: readonly ChatMessage[]): ChatRequest => ({ messages, ...answering, signal });
    const before = options.load === undefined ? systemMessage(options.system) : (await chat.loadConversation(options.load)).messages;
    const parts = images.map((image) => ({ type: "image" as const, image, ...(options.detail ? { detail: options.detail } : {}) }));
    if (prompt === undefined) await chatLoop(chat, { before, images: parts, detail: options.detail, ask, signal });
    else await answerOnce(chat, ask([...before, { role: "user", content: [...parts, { type: "text", text: prompt }] }]), json === true);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  if (signal.aborted) process.exitCode = exitCodes.interrupted;
}

async function answerOptions(options: ChatOptions): Promise<Omit<GenerateOptions, "signal"> & Pick<ChatRequest, "overflow">> {
  const { maxTokens, temperature, topK, topP, minP, repeatPenalty, seed, stop, overflow } = options;
  const sampling = defined({ temperature, topK, topP, minP, repeatPenalty, seed });
  const grammar = options.grammar === undefined ? undefined : await readText(options.grammar);
  const jsonSchema = options.jsonSchema === undefined ? undefined : parseSchema(options.jsonSchema, await readText(options.jsonSchema));
  return { maxTokens, sampling, ...defined({ stop, overflow, grammar, jsonSchema }) };
}

function loadOptions(options: ChatOptions): VisionChatOptions {
  const { preprocessing, panAndScan, context, threads, device, precision, gpuLayers, cacheType, lora, embeddingStore } = options;
  const decoder = defined({ cacheTypeK: cacheType, cacheTypeV: cacheType, loraAdapters: lora?.map((path) => ({ path })) });
  return {
    ...defined({ preprocessing, threads, device, precision, gpuLayers, contextLength: context }),
    ...(panAndScan ? { panAndScan: {} } : {}),
    ...(embeddingStore === undefined ? {} : { embeddingStore: { directory: embeddingStore } }),
    decoder,
  };
}

async function readText(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new UsageError(`chat: ${file}: ${cause.code === "ENOENT" ? "no such file" : cause.message}`, { cause });
  });
}

function parseSchema(file: string, text: string): JsonSchema {
  try {
    return JSON.parse(text) as JsonSchema;
  } catch (cause) {
    throw new UsageError(`chat: ${file}: expected a JSON schema, got text that is no JSON: ${(cause as Error).message}`, { cause });
  }
}

function systemMessage(system: string | undefined): readonly ChatMessage[] {
  return system === undefined ? [] : [{ role: "system", content: system }];
}

async function answerOnce(chat: VisionChat, request: ChatRequest, json: boolean): Promise<void> {
  const reply = chat.stream(request);
  if (json) {
    process.stdout.write(`${JSON.stringify(await reply.result)}\n`);
    return;
  }
  for await (const { text } of reply) process.stdout.write(text);
  process.stdout.write("\n");
}
