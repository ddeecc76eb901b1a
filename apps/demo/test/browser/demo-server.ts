import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

export interface DemoServer {
  readonly url: string;
  /** Ends as on Ctrl-C, and gives the exit code. */
  readonly stop: () => Promise<number | null>;
}

/** The demo as `npm start` runs it, with mini. */
export async function startDemo(...options: string[]): Promise<DemoServer> {
  const child = spawn(process.execPath, [main, "--no-open", ...options], { stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  let failed = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (failed += text));
  const exited = once(child, "exit") as Promise<[number | null]>;
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
      const at = /Sightline is at (http:\S+)/.exec(printed)?.[1];
      if (at) resolve(at);
    });
    void exited.then(([code]) => reject(new Error(`the demo ended with ${code}: ${failed}`)));
  });
  return {
    url,
    stop: async () => {
      child.kill("SIGINT");
      return (await exited)[0];
    },
  };
}
