// Writes a caption for every picture of a folder, one JSON line each:
//
//   node examples/caption-folder.mjs photos > captions.jsonl
//   node examples/caption-folder.mjs photos models/gemma-3-4b     (a folder with mmproj*.gguf and the decoder's .gguf)
import { imageFiles, loadVisionChat } from "sightline";

const [folder = "examples", model = "mini"] = process.argv.slice(2);

// Loading takes a while and is done once; then every picture is a short conversation of its own.
const chat = await loadVisionChat(model);
try {
  for await (const { path, image, error } of await imageFiles([folder])) {
    if (error) {
      console.error(`${path}: ${error.message}`);
      continue;
    }
    const reply = chat.stream({
      messages: [{ role: "user", content: [{ type: "image", image }, { type: "text", text: "What do you see?" }] }],
      maxTokens: 64,
      // 0: always the likeliest word, so that the same picture gets the same caption.
      sampling: { temperature: 0 },
    });
    try {
      const { text } = await reply.result;
      console.log(JSON.stringify({ path, caption: text }));
    } catch (problem) {
      // A damaged picture is no reason to stop.
      console.error(`${path}: ${problem.message}`);
    }
  }
} finally {
  // Gives back the memory that lies outside of JavaScript. (Where the language has it: `await using chat = ...`)
  await chat[Symbol.asyncDispose]();
}
