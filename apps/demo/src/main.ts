import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { hubModels, startServer, type RunningServer, type ServerOptions } from "@sightline/server";
import { DemoUsageError, parseDemoOptions, usage, type DemoOptions } from "./demo-options.js";
import { openBrowser } from "./open-browser.js";

const usualPort = 8080;
const pageDirectory = fileURLToPath(new URL("page", import.meta.url));

async function main(): Promise<void> {
  const options = parseDemoOptions(process.argv.slice(2));
  if (!options) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  if (!existsSync(`${pageDirectory}/index.html`)) throw new Error("the page is not built; npm start builds and runs it");
  const stopped = untilStopped();
  await using server = await start(options);
  process.stdout.write(`Sightline is at ${server.url} (Ctrl-C ends it)\n`);
  if (options.open) openBrowser(server.url);
  // A first model that cannot be loaded ends the demo.
  await Promise.race([server.ready, stopped]);
  if ((await stopped) === "SIGINT") process.exitCode = 130;
}

async function start({ models, siglip, port }: DemoOptions): Promise<RunningServer> {
  // Whoever sits at this machine may fetch models into its cache; nobody else reaches a loopback address.
  const options: ServerOptions = { models, siglip, staticDirectory: pageDirectory, log: { level: "error" }, ...(await hubModels()) };
  if (port !== undefined) return startServer({ ...options, port });
  try {
    return await startServer({ ...options, port: usualPort });
  } catch (error) {
    const code = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined)?.code : undefined;
    if (code !== "EADDRINUSE") throw error;
    process.stderr.write(`Port ${usualPort} is taken. Conversations are kept for each address: those at port ${usualPort} are not shown here.\n`);
    return startServer({ ...options, port: 0 });
  }
}

/** The first signal lets answers under way end; a second one leaves at once. */
function untilStopped(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let stopping = false;
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => {
        if (stopping) process.exit(130);
        stopping = true;
        resolve(signal);
      });
    }
  });
}

try {
  await main();
} catch (error) {
  process.stderr.write(`demo: ${(error instanceof Error ? error.message : String(error)).split("\n", 1)[0]}\n`);
  process.exitCode = error instanceof DemoUsageError ? 2 : 1;
}
