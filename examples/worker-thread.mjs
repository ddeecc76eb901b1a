// Runs a chat in a worker thread, so that the thread which serves people has nothing to do with models at all:
//
//   node examples/worker-thread.mjs photo.jpg
//
// (Not needed for speed: towers and decoders have threads of their own anyway. It is for programs that want the library's
// loading, template and sampling code off their main thread too, or a worker that can be ended and started anew.)
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { loadVisionChat } from "sightline";

if (isMainThread) await main(process.argv[2] ?? fileURLToPath(new URL("scene.png", import.meta.url)));
else await work();

async function main(image) {
  const worker = new Worker(new URL(import.meta.url));
  // Meanwhile this thread is free: a tick every 10 ms, and how late the latest one was.
  let last = performance.now();
  let latest = 0;
  const ticks = setInterval(() => {
    latest = Math.max(latest, performance.now() - last - 10);
    last = performance.now();
  }, 10);
  worker.postMessage({ image, question: "What do you see?" });
  await new Promise((resolve, reject) => {
    worker.on("error", reject);
    worker.on("message", ({ text, done }) => {
      if (text) process.stdout.write(text);
      if (done) resolve();
    });
  });
  clearInterval(ticks);
  console.log(`\nthe main thread was never more than ${Math.ceil(latest)} ms late`);
  worker.postMessage({ stop: true });
}

async function work() {
  const chat = await loadVisionChat("mini");
  parentPort.on("message", async ({ image, question, stop }) => {
    if (stop) {
      await chat[Symbol.asyncDispose]();
      parentPort.close(); // nothing keeps the worker alive any more
      return;
    }
    const reply = chat.stream({ messages: [{ role: "user", content: [{ type: "image", image }, { type: "text", text: question }] }], maxTokens: 64 });
    for await (const { text } of reply) parentPort.postMessage({ text });
    parentPort.postMessage({ done: true });
  });
}
