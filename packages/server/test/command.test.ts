import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { aboutScene, answer, post, type ModelList } from "./mini-server.js";

const bin = fileURLToPath(new URL("../../sightline/bin/sightline.js", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `sightline serve`. */
function serve(...args: string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended>; readonly url: () => Promise<string> } {
  const child = spawn(process.execPath, [bin, "serve", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) child[name]?.on("data", (chunk) => (text[name] += String(chunk)));
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, ...text }));
  const url = async (): Promise<string> => {
    for (;;) {
      const found = /listening at (\S+),/.exec(text.stdout)?.[1];
      if (found) return found;
      if (child.exitCode !== null) throw new Error(`sightline serve ended with ${child.exitCode}: ${text.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return { child, ended, url };
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "serve-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("sightline serve", () => {
  it("serves mini and its SigLIP, and says where; a signal lets a stream end", async () => {
    const { child, ended, url } = serve("--port", "0");
    const server = { url: await url() };
    const { json } = await post(server, "/v1/chat/completions", { messages: [aboutScene()] });
    expect(json.choices[0].message.content).toBe(answer);
    expect(((await (await fetch(`${server.url}/v1/models`)).json()) as ModelList).data.map(({ id }) => id)).toEqual(["mini", "mini-siglip"]);
    const streaming = await fetch(`${server.url}/v1/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ messages: [aboutScene()], stream: true, max_tokens: 300, ignore_eos: true }) });
    child.kill("SIGTERM");
    expect((await streaming.text()).endsWith("data: [DONE]\n\n")).toBe(true);
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(0);
    expect(stdout).toBe(`sightline: listening at ${server.url}, the API at ${server.url}/v1\n`);
    const lines = stderr.trim().split("\n").map((line) => JSON.parse(line) as { msg: string });
    expect(lines.map(({ msg }) => msg)).toEqual(expect.arrayContaining(["listening", "model loaded", "request", "closing", "closed"]));
  });

  it("takes names, keys and a page, and leaves with 130 on Ctrl-C", async () => {
    const keys = path.join(folder, "keys");
    await writeFile(keys, "# mine\nabc\n");
    await writeFile(path.join(folder, "index.html"), "the page");
    const { child, ended, url } = serve("--port", "0", "--siglip", "eyes=mini", "--api-keys", keys, "--static", folder, "--log", "silent", "--threads", "1");
    const at = await url();
    expect(await (await fetch(at)).text()).toBe("the page");
    expect((await fetch(`${at}/v1/models`)).status).toBe(401);
    expect(((await (await fetch(`${at}/v1/models`, { headers: { authorization: "Bearer abc" } })).json()) as ModelList).data.map(({ id }) => id)).toEqual(["eyes"]);
    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: 130, stderr: "" });
  });

  it.each([
    ["a model that is not there", ["--model", "nowhere"], 1, /^sightline: findModelFiles: "nowhere" is neither "mini" nor a directory/],
    ["a name without a path", ["--model", "name="], 2, /^sightline: serve: expected <path> or <name>=<path>/],
    ["two of one name", ["--model", "mini", "a=mini", "--siglip", "a=mini"], 2, /"a" is given twice/],
    ["a port that is none", ["--port", "x"], 2, /--port/],
    ["a page that is not built", ["--static", "nowhere"], 2, /build the page first/],
    ["keys that are not there", ["--api-keys", "nowhere"], 1, /readApiKeys: nowhere: the file cannot be read/],
    ["an option that there is not", ["--nothing"], 2, /unknown option/],
  ])("says in a line what is wrong with %s", async (_, args, code, message) => {
    const ended = await serve("--port", "0", ...args).ended;
    expect([ended.code, ended.stdout]).toEqual([code, ""]);
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr).not.toMatch(/\n\s+at /);
  });

  it("says who has the port", async () => {
    const first = serve("--port", "0", "--siglip", "mini", "--log", "silent");
    const port = new URL(await first.url()).port;
    const second = await serve("--port", port, "--siglip", "mini", "--log", "silent").ended;
    expect([second.code, second.stderr]).toEqual([1, `sightline: startServer: cannot listen at 127.0.0.1, port ${port} (EADDRINUSE); choose another, or 0 for any that is free\n`]);
    first.child.kill("SIGTERM");
    await first.ended;
  });
});
