// Asks several questions about one page of a document, as a conversation:
//
//   node examples/ask-page.mjs page.png "What is the total?" "Who signed it?" --model models/smolvlm
//
// A PDF is turned into pictures first, for example with `pdftoppm -r 150 -png report.pdf page`. The model that comes with
// Sightline cannot read: take one that was trained on documents (SmolVLM2, granite-docling, Qwen3-VL).
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadVisionChat } from "sightline";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { model: { type: "string", default: "mini" } } });
const [page = fileURLToPath(new URL("scene.png", import.meta.url)), ...asked] = positionals;
const questions = asked.length > 0 ? asked : ["What do you see?", "How many objects are there?"];

const chat = await loadVisionChat(values.model);
try {
  // The page stands in the first message only; later ones belong to the same conversation. "high": small print matters.
  const messages = [];
  for (const question of questions) {
    const text = { type: "text", text: question };
    const content = messages.length === 0 ? [{ type: "image", image: page, detail: "high" }, text] : [text];
    messages.push({ role: "user", content });
    console.log(`> ${question}`);
    const reply = chat.stream({ messages, maxTokens: 200, sampling: { temperature: 0 } });
    for await (const part of reply) process.stdout.write(part.text);
    const { text: answer, usage, timings } = await reply.result;
    messages.push({ role: "assistant", content: answer });
    // The page is encoded once, and what the decoder has read of it is kept: the second question starts sooner.
    console.log(`\n  (${usage.imageTokens} tokens of the page, first word after ${Math.round(timings.ttftMs)} ms)`);
  }
} finally {
  await chat[Symbol.asyncDispose]();
}
