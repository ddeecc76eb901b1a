import { Command } from "commander";
import { abortOnInterrupt } from "sightline/cli";
import { startServer } from "./start-server.js";

/** `sightline serve`. */
export function command(): Command {
  return new Command("serve").description("Serve models over HTTP, as OpenAI's API does.").option("--port <n>", "port", Number, 8080).action(async ({ port }: { port: number }) => {
    const signal = abortOnInterrupt();
    await using server = await startServer({ port, models: [{ name: "mini", path: "mini" }], siglip: [{ name: "mini-siglip", path: "mini" }], log: {} });
    process.stdout.write(`${server.url}\n`);
    await server.ready;
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  });
}
