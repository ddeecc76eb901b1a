import path from "node:path";
import { fileURLToPath } from "node:url";
import { decodeImage, renderViews, type ImageView } from "@sightline/vision-tower";
import sharp from "sharp";
import { float, gemma2Norms, headNorms, plainNorms, uint, writeSeededDecoder, type SeededDecoder } from "../../decoder/test/seeded-decoder.js";
import { byteLevelTokenizer, sentencePieceTokenizer } from "../../decoder/test/tiny-tokenizers.js";
import type { ChatMessage } from "../src/index.js";
import { writeSeededMmproj, type MmprojFamily, type SeededMmproj } from "./seeded-mmproj.js";

/** A message of a conversation that both sides are asked. */
interface Turn {
  readonly role: "user" | "assistant";
  readonly pictures: readonly PictureName[];
  readonly text: string;
}

/** A decoder and an mmproj of a family with seeded weights, and the prompts that llama.cpp is given for a conversation. */
interface SeededPair {
  readonly family: MmprojFamily;
  readonly mmproj: Required<SeededMmproj>;
  readonly decoder: SeededDecoder;
  readonly conversations: readonly ConversationName[];
  /** The conversation as its template has it, with llama.cpp's marker for each picture and nothing of what surrounds it. */
  readonly prompt: (turns: readonly Turn[]) => string;
}

const view = (left: number, top: number, width: number, height: number, ...more: ImageView): ImageView => [{ type: "crop", left, top, width, height }, ...more];

const pictures = {
  square: { file: "scene.png", view: view(0, 0, 384, 384, { type: "resize", width: 64, height: 64, filter: "bicubic" }) },
  wide: { file: "scene.png", view: view(0, 100, 384, 170) },
  tall: { file: "crabs.png", view: view(150, 20, 117, 301) },
  large: { file: "penguins.png", view: view(0, 90, 384, 175, { type: "resize", width: 1100, height: 500, filter: "bicubic" }) },
} as const satisfies Record<string, { readonly file: string; readonly view: ImageView }>;
export type PictureName = keyof typeof pictures;

const user = (text: string, ...shown: PictureName[]): Turn => ({ role: "user", pictures: shown, text });
const assistant = (text: string): Turn => ({ role: "assistant", pictures: [], text });

const conversations = {
  square: [user("what is this?", "square")],
  wide: [user("Describe it, in one word.", "wide")],
  large: [user("how many are there?", "large")],
  turns: [user("what is it?", "tall"), assistant("a crab, I think."), user("and what else do you see?")],
  two: [user("what differs?", "square", "wide")],
  text: [user("hello! how are you?")],
} as const satisfies Record<string, readonly Turn[]>;
export type ConversationName = keyof typeof conversations;

const media = (turn: Turn): string => "<__media__>".repeat(turn.pictures.length);
const chatMl = (turns: readonly Turn[]): string => `${turns.map((turn) => `<|im_start|>${turn.role}\n${media(turn)}${turn.text}<|im_end|>\n`).join("")}<|im_start|>assistant\n`;
const chatMlTokens = { specials: ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], bos: "<|endoftext|>", eos: "<|im_end|>" };

/** Each family's usual architecture and tokenizer, small, and a template that does what its models' templates do. */
export const seededPairs: Readonly<Record<string, SeededPair>> = {
  gemma3: {
    family: "gemma3",
    mmproj: { decoderWidth: 64, side: 64, patchSize: 8, blocks: 2 },
    decoder: {
      architecture: "gemma3",
      prefix: "gemma3",
      plusOne: true,
      norms: { ...gemma2Norms, ...headNorms },
      metadata: { "rope.freq_base": float(1e6), "rope.freq_base_swa": float(1e4), "attention.sliding_window": uint(24), "attention.sliding_window_pattern": uint(2) },
      tokenizer: sentencePieceTokenizer({ specials: ["<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>"], eos: "<end_of_turn>", spacePrefix: false }),
      chatTemplate: "{{ bos_token }}{% for message in messages %}{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n' }}{% if message['content'] is string %}{{ message['content'] | trim }}{% else %}{% for item in message['content'] %}{% if item['type'] == 'image' %}{{ '<start_of_image>' }}{% elif item['type'] == 'text' %}{{ item['text'] | trim }}{% endif %}{% endfor %}{% endif %}{{ '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
    },
    conversations: ["square", "wide", "turns", "two", "text"],
    prompt: (turns) => `${turns.map((turn) => `<start_of_turn>${turn.role === "user" ? "user" : "model"}\n${media(turn)}${turn.text}<end_of_turn>\n`).join("")}<start_of_turn>model\n`,
  },
  idefics3: {
    family: "idefics3",
    mmproj: { decoderWidth: 64, side: 32, patchSize: 8, blocks: 2 },
    decoder: {
      architecture: "llama",
      prefix: "smolvlm",
      norms: plainNorms,
      metadata: { "rope.freq_base": float(1e5), "rope.dimension_count": uint(32) },
      tokenizer: byteLevelTokenizer("smollm", {
        specials: ["<|im_start|>", "<end_of_utterance>", "<fake_token_around_image>", "<global-img>", ...Array.from({ length: 16 }, (_, i) => `<row_${Math.floor(i / 4) + 1}_col_${(i % 4) + 1}>`)],
        bos: "<|im_start|>",
        eos: "<end_of_utterance>",
      }),
      chatTemplate: "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}{% if message['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}{% for line in message['content'] %}{% if line['type'] == 'text' %}{{ line['text'] }}{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}",
    },
    conversations: ["square", "wide", "turns", "two", "text"],
    prompt: (turns) => `<|im_start|>${turns.map((turn) => `${turn.role === "user" ? "User" : "Assistant"}:${turn.pictures.length > 0 ? media(turn) : " "}${turn.text}<end_of_utterance>\n`).join("")}Assistant:`,
  },
  llava: {
    family: "mlp",
    mmproj: { decoderWidth: 64, side: 64, patchSize: 8, blocks: 2 },
    decoder: {
      architecture: "llama",
      prefix: "llava",
      norms: plainNorms,
      metadata: { "rope.freq_base": float(1e4), "rope.dimension_count": uint(32) },
      tokenizer: sentencePieceTokenizer({ specials: ["</s>"], eos: "</s>", spacePrefix: true }),
      chatTemplate: "{% for message in messages %}{% if message['role'] == 'user' %}{{ 'USER: ' + message['content'] + ' ' }}{% else %}{{ 'ASSISTANT: ' + message['content'] + '</s>' }}{% endif %}{% endfor %}{{ 'ASSISTANT:' }}",
    },
    conversations: ["square", "wide", "turns", "two", "text"],
    prompt: (turns) => `${turns.map((turn) => (turn.role === "user" ? `USER: ${media(turn)}${turn.text} ` : `ASSISTANT: ${turn.text}</s>`)).join("")}ASSISTANT:`,
  },
  onevision: {
    family: "onevision",
    mmproj: { decoderWidth: 64, side: 32, patchSize: 8, blocks: 2 },
    decoder: {
      architecture: "qwen2",
      prefix: "onevision",
      norms: plainNorms,
      biases: true,
      metadata: { "rope.freq_base": float(1e6) },
      tokenizer: byteLevelTokenizer("qwen2", chatMlTokens),
      chatTemplate: "{% for message in messages %}{{ '<|im_start|>' + message['role'] + ' ' }}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ '\n' + content['text'] }}{% endfor %}{{ '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    },
    conversations: ["square", "wide", "turns", "two", "text"],
    prompt: (turns) => `${turns.map((turn) => `<|im_start|>${turn.role} ${turn.pictures.map(() => "<__media__>\n").join("")}\n${turn.text}<|im_end|>`).join("")}<|im_start|>assistant\n`,
  },
  lfm2: {
    family: "lfm2",
    mmproj: { decoderWidth: 64, side: 64, patchSize: 16, blocks: 2 },
    decoder: {
      architecture: "lfm2",
      prefix: "lfm2",
      tied: true,
      norms: { ...plainNorms, ...headNorms },
      convolutions: [0, 2],
      metadata: { "rope.freq_base": float(1e6) },
      tokenizer: byteLevelTokenizer("lfm2", {
        specials: ["<|pad|>", "<|startoftext|>", "<|im_start|>", "<|im_end|>", "<|image_start|>", "<|image_end|>", "<|img_thumbnail|>", ...Array.from({ length: 4 }, (_, i) => `<|img_row_${Math.floor(i / 2) + 1}_col_${(i % 2) + 1}|>`)],
        bos: "<|startoftext|>",
        eos: "<|im_end|>",
        addBos: true,
      }),
      chatTemplate: "{{ bos_token }}{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for item in message['content'] %}{% if item['type'] == 'image' %}{{ '<image>' }}{% else %}{{ item['text'] }}{% endif %}{% endfor %}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    },
    conversations: ["square", "wide", "large", "turns", "two", "text"],
    prompt: chatMl,
  },
  minicpm: {
    family: "resampler",
    mmproj: { decoderWidth: 256, side: 64, patchSize: 8, blocks: 2 },
    decoder: {
      architecture: "qwen2",
      prefix: "minicpm",
      norms: plainNorms,
      biases: true,
      width: 256,
      metadata: { "rope.freq_base": float(1e6) },
      tokenizer: byteLevelTokenizer("qwen2", { ...chatMlTokens, specials: [...chatMlTokens.specials, "<image>", "</image>", "<slice>", "</slice>", "<image_id>", "</image_id>"] }),
      chatTemplate: "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    },
    conversations: ["square", "wide", "turns", "two", "text"],
    prompt: chatMl,
  },
  qwen3vl: {
    family: "qwen3vl_merger",
    mmproj: { decoderWidth: 64, side: 64, patchSize: 8, blocks: 2 },
    decoder: {
      architecture: "qwen3vl",
      prefix: "qwen3vl",
      norms: { ...plainNorms, ...headNorms },
      metadata: { "rope.freq_base": float(5e6), "rope.dimension_sections": { type: "array", of: "int32", value: [6, 5, 5, 0] }, n_deepstack_layers: uint(2) },
      tokenizer: byteLevelTokenizer("qwen2", { ...chatMlTokens, specials: [...chatMlTokens.specials, "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"] }),
      chatTemplate: "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for content in message['content'] %}{% if content['type'] == 'image' %}{{ '<|vision_start|><|image_pad|><|vision_end|>' }}{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    },
    conversations: ["square", "wide", "turns", "two", "text"],
    prompt: chatMl,
  },
};

/** Writes a pair's two files into a folder. */
export async function writeSeededPair(folder: string, name: string): Promise<{ readonly mmproj: string; readonly decoder: string }> {
  const { family, mmproj, decoder } = seededPairs[name] as SeededPair;
  const files = { mmproj: path.join(folder, `mmproj-${name}.gguf`), decoder: path.join(folder, `${name}.gguf`) };
  await writeSeededMmproj(files.mmproj, family, mmproj);
  await writeSeededDecoder(files.decoder, { contextLength: 4096, ...decoder });
  return files;
}

/** A picture as a PNG file: a piece of one of the examples. */
export async function picturePng(name: PictureName): Promise<Uint8Array> {
  const { file, view: steps } = pictures[name];
  const whole = await decodeImage(fileURLToPath(new URL(`../../../examples/${file}`, import.meta.url)));
  const [shown] = renderViews(whole, [steps]);
  if (!shown) throw new Error("picturePng: no view");
  const { width, height, data } = shown;
  return new Uint8Array(await sharp(data, { raw: { width, height, channels: 3 } }).png().toBuffer());
}

/** A conversation as a chat is asked it. */
export async function messagesOf(name: ConversationName): Promise<ChatMessage[]> {
  return Promise.all(conversations[name].map(async ({ role, pictures: shown, text }: Turn): Promise<ChatMessage> => {
    const images = await Promise.all(shown.map(async (picture) => ({ type: "image" as const, image: await picturePng(picture) })));
    return images.length === 0 ? { role, content: text } : { role, content: [...images, { type: "text", text }] };
  }));
}

/** The same for llama.cpp. */
export function promptOf(pair: string, name: ConversationName): { readonly prompt: string; readonly pictures: readonly PictureName[] } {
  const turns: readonly Turn[] = conversations[name];
  return { prompt: (seededPairs[pair] as SeededPair).prompt(turns), pictures: turns.flatMap((turn) => turn.pictures) };
}
