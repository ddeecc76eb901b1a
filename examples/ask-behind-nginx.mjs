// Asks a Sightline server that runs behind nginx (examples/nginx.conf says how), and prints words as they come:
//
//   SIGHTLINE_API_KEY=... node examples/ask-behind-nginx.mjs http://127.0.0.1:8443/v1 photo.jpg "What do you see?"
//
// It is OpenAI's API: any client for that works as well, with this address as its base URL.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const [base = "http://127.0.0.1:8443/v1", image = fileURLToPath(new URL("scene.png", import.meta.url)), question = "What do you see?"] = process.argv.slice(2);

const response = await fetch(`${base}/chat/completions`, {
  method: "POST",
  headers: { "content-type": "application/json", authorization: `Bearer ${process.env.SIGHTLINE_API_KEY ?? ""}` },
  body: JSON.stringify({
    model: "mini",
    stream: true,
    messages: [
      {
        role: "user",
        // Pictures travel inside of the request, as base64.
        content: [{ type: "image_url", image_url: { url: `data:image/png;base64,${await readFile(image, "base64")}` } }, { type: "text", text: question }],
      },
    ],
  }),
});
if (!response.ok) {
  // nginx answers 429 or 503 where there are too many questions, the server 401 without a key; both say why.
  console.error(`${response.status}: ${(await response.text()).slice(0, 300)}`);
  process.exit(1);
}

// Server-sent events: lines that start with "data:", each a piece of JSON, the last "[DONE]". A piece may end mid-line.
let rest = "";
for await (const bytes of response.body.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + bytes).split("\n");
  rest = lines.pop();
  for (const line of lines) {
    if (!line.startsWith("data:") || line.includes("[DONE]")) continue;
    process.stdout.write(JSON.parse(line.slice("data:".length)).choices[0]?.delta?.content ?? "");
  }
}
process.stdout.write("\n");
