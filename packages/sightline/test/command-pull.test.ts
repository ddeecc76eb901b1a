import { spawn } from "node:child_process";
import { readdir, readFile, rm, truncate } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { loadVisionChat } from "../src/index.js";
import { FakeHub } from "../../hub/test/fake-hub.js";
import { finish, temporaryFolder, type CommandResult } from "./command.js";

const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const mini = fileURLToPath(new URL("../../../models/mini/", import.meta.url));
const photo = fileURLToPath(new URL("../../../examples/scene.png", import.meta.url));
const pair = "someone/mini-GGUF";
const tower = "someone/mini-siglip";

let hub: FakeHub;
let home: string;

beforeAll(async () => {
  hub = await FakeHub.start();
  const of = async (folder: string, names: readonly string[]): Promise<Record<string, Buffer>> => Object.fromEntries(await Promise.all(names.map(async (name) => [name, await readFile(path.join(folder, name))] as const)));
  hub.commit(pair, await of(mini, ["mini-qwen3.gguf", "mmproj-mini.gguf"]));
  const siglip = path.join(mini, "siglip");
  hub.commit(tower, await of(siglip, await readdir(siglip)));
  hub.commit("someone/gated", { "model.safetensors": "x", "config.json": "{}" }, { gated: true });
  home = await temporaryFolder();
});
afterEach(async () => {
  hub.misbehave = () => false;
  await rm(path.join(home, "hub"), { recursive: true, force: true });
});
afterAll(async () => {
  await hub[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

/** Runs `sightline` with the fake hub and a cache of its own. */
function start(args: readonly string[], environment: Readonly<Record<string, string>> = {}): ReturnType<typeof spawn> {
  return spawn(process.execPath, [main, ...args], { stdio: "pipe", env: { PATH: process.env["PATH"], HF_ENDPOINT: hub.url, HF_HOME: home, ...environment } });
}

async function run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
  const child = start(args, environment);
  child.stdin?.end();
  return finish(child);
}

/** A failure of one line. */
function oneLine(content: RegExp): object {
  return { code: 1, stdout: "", stderr: expect.stringMatching(new RegExp(`^sightline: [^\\n]*${content.source}[^\\n]*\\n$`)) };
}

const ask = (model: string, ...more: readonly string[]): Promise<CommandResult> => run(["chat", photo, "-p", "What is this?", "--max-tokens", "4", "--json", "--model", model, ...more]);

describe("sightline pull", () => {
  it("brings a model that chat then finds by its name, and answers as the folder does", async () => {
    expect(await ask(pair)).toMatchObject(oneLine(/someone\/mini-GGUF is neither a folder here nor in the Hugging Face cache \(.*\); fetch it with: sightline pull someone\/mini-GGUF/));
    const pulled = await run(["pull", pair]);
    const snapshot = path.join(home, "hub", "models--someone--mini-GGUF", "snapshots", hub.repositories.get(pair)?.commits[0]?.id as string);
    expect(pulled).toMatchObject({ code: 0, stdout: `${snapshot}\n`, stderr: expect.stringMatching(/^someone\/mini-GGUF: 2 files, 13\.\d MB; 13\.\d MB to download\n/) });
    const [named, folder] = (await Promise.all([ask(pair), ask(mini)])).map(({ stdout }) => JSON.parse(stdout) as { text: string; model: string });
    expect(named?.text).toBe(folder?.text);
    expect(named?.model).toBe("mini-GGUF");
    expect(await run(["pull", pair])).toMatchObject({ code: 0, stderr: expect.stringContaining("all of it is here") });
  });

  it("prints one JSON object about the files", async () => {
    const { stdout, code } = await run(["pull", pair, "--json", "--connections", "2"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ model: pair, files: [{ path: "mini-qwen3.gguf", part: "decoder", downloaded: true, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }, { path: "mmproj-mini.gguf", part: "vision" }] });
  });

  it("brings a tower that tag finds by its hub name", async () => {
    const tag = ["tag", photo, "--labels", "airplane,crab", "--json", "--model"];
    expect(await run([...tag, tower])).toMatchObject(oneLine(/is no folder here, nor a model in the Hugging Face cache \(.*\); fetch it with: sightline pull someone\/mini-siglip/));
    expect((await run(["pull", tower])).code).toBe(0);
    expect(await run([...tag, tower])).toMatchObject({ code: 0, stderr: "", stdout: expect.stringContaining('"label":"crab"') });
  });

  it("is done by chat and tag themselves with --pull", async () => {
    expect(await ask(pair, "--pull")).toMatchObject({ code: 0, stderr: expect.stringContaining("to download") });
    hub.seen.length = 0;
    // What is there is looked after, not fetched again; a folder and mini need nobody.
    expect((await ask(mini, "--pull")).code).toBe(0);
    expect(hub.seen).toEqual([]);
    expect((await run(["tag", photo, "--labels", "crab", "--model", tower, "--pull"])).code).toBe(0);
  });

  it("says in one line what is wrong", async () => {
    const offline = { HF_HUB_OFFLINE: "1" };
    const wrong = { HF_TOKEN: "hf_secretword" };
    const cases: readonly (readonly [readonly string[], RegExp, Readonly<Record<string, string>>?])[] = [
      [["pull", "gemma-3-4b"], /there is no model "gemma-3-4b" \(did you mean gemma-3-4b-it\?\)/],
      [["pull", "someone/gated"], /someone\/gated asks for its terms to be accepted: accept them at /],
      [["pull", pair], /offline, and .* has no someone\/mini-GGUF@main; pull it once with a network/, offline],
      [["pull", pair], /does not take the token \(HF_TOKEN\)/, wrong],
      [["chat", "-p", "x", "--model", "gemma-3-4b-it"], /gemma-3-4b-it is neither a folder here nor in the Hugging Face cache \(.*\); fetch it with: sightline pull gemma-3-4b-it/],
      [["chat", "-p", "x", "--model", "gema-3-4b"], /"gema-3-4b" is neither "mini" nor a directory, nor a known model \(did you mean gemma-3-4b-it/],
      [["tag", photo, "--labels", "x", "--model", "siglip2-so400m-patch14-38"], /did you mean siglip2-so400m-patch14-384/],
    ];
    await Promise.all(cases.map(async ([args, line, environment]) => expect(await run(args, environment), args.join(" ")).toMatchObject(oneLine(line))));
    expect((await run(["--verbose", "pull", pair], wrong)).stderr).not.toContain("secretword");
    expect(await run(["pull"])).toMatchObject({ code: 2 });
  });

  it.each([
    ["SIGINT", { code: 130, stdout: "", stderr: expect.stringContaining("stopped; what came is kept, and the same command goes on") }],
    ["SIGKILL", { code: null, stdout: "" }],
  ] as const)("stopped by %s goes on the next time", async (signal, ending) => {
    const first = 1_000_000;
    let sent: (() => void) | undefined;
    const underWay = new Promise<void>((resolve) => (sent = resolve));
    hub.misbehave = ({ path: at, range }, response, file) => {
      if (!at.includes("mmproj") || !at.startsWith("/cdn/") || !file) return false;
      response.writeHead(206, { "content-range": `bytes ${range?.slice(6)}/${file.length}` });
      response.write(file.subarray(0, first), sent);
      return true;
    };
    const child = start(["pull", pair]);
    const result = finish(child);
    await underWay;
    // What came is written down once a second.
    const state = path.join(home, "hub", "models--someone--mini-GGUF", "blobs");
    const isDown = async (): Promise<boolean> => {
      const name = (await readdir(state)).find((name) => name.endsWith(".incomplete.json"));
      return name !== undefined && (await readFile(path.join(state, name), "utf8")).includes(`[${first}]`);
    };
    await expect.poll(isDown, { timeout: 20_000 }).toBe(true);
    child.kill(signal);
    expect(await result).toMatchObject(ending);
    hub.misbehave = () => false;
    hub.seen.length = 0;
    expect((await run(["pull", pair])).code).toBe(0);
    expect(hub.transfers().filter(({ path: at }) => at.startsWith("/cdn/") && at.includes("mmproj")).map(({ range }) => range?.split("-")[0])).toEqual([`bytes=${first}`]);
  });
});

describe("a pulled model", () => {
  it("that somebody cut is refused before native code opens it, and pulled again", async () => {
    await run(["pull", pair]);
    const folder = path.join(home, "hub", "models--someone--mini-GGUF");
    const blobs = await readdir(path.join(folder, "blobs"));
    await truncate(path.join(folder, "blobs", blobs[0] as string), 1000);
    expect(await ask(pair)).toMatchObject(oneLine(/has 1000 bytes instead of \d+; pull it again: sightline pull someone\/mini-GGUF/));
    expect(await run(["pull", pair])).toMatchObject({ code: 0, stderr: expect.stringContaining("is fetched again: it has 1000 bytes instead of") });
    await rm(path.join(folder, "blobs", blobs[0] as string));
    expect(await ask(pair)).toMatchObject({ code: 1, stderr: expect.stringContaining("sightline pull someone/mini-GGUF") });
  });

  it("of a manifest is found by its name, in the quantisation that is there", async () => {
    const [decoder, mmproj] = await Promise.all(["mini-qwen3.gguf", "mmproj-mini.gguf"].map((name) => readFile(path.join(mini, name))));
    hub.commit("ggml-org/gemma-3-4b-it-GGUF", { "gemma-3-4b-it-Q4_K_M.gguf": decoder as Buffer, "gemma-3-4b-it-Q8_0.gguf": decoder as Buffer, "mmproj-model-f16.gguf": mmproj as Buffer });
    expect((await run(["pull", "gemma-3-4b-it:Q8_0"])).code).toBe(0);
    expect(await ask("gemma-3-4b-it")).toMatchObject({ code: 0, stdout: expect.stringContaining('"model":"gemma-3-4b-it"') });
    expect(await ask("gemma-3-4b-it:Q4_K_M")).toMatchObject(oneLine(/gemma-3-4b-it:Q4_K_M is neither a folder here nor in the Hugging Face cache/));
    const listed = JSON.parse((await run(["list", "--json"])).stdout) as { models: { manifest: { name: string }; downloaded: string[] }[] };
    expect(listed.models.find(({ manifest }) => manifest.name === "gemma-3-4b-it")?.downloaded).toEqual(["Q8_0"]);
    process.env["HF_HUB_CACHE"] = path.join(home, "hub");
    try {
      await using chat = await loadVisionChat("google/gemma-3-4b-it");
      expect(chat.model).toBe("gemma-3-4b-it");
    } finally {
      delete process.env["HF_HUB_CACHE"];
    }
  });
});

describe("sightline list", () => {
  it("shows what fits this machine, what is here, and on request all", async () => {
    const { stdout, code } = await run(["list", "--all"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^This machine has [\d.]+ GB of memory and [\d.]+ [GT]B free for the cache in .*\n/);
    expect(stdout).toMatch(/ mini +comes along +~[\d.]+ MB +64 +apache-2\.0 +here\n/);
    expect(stdout).toMatch(/ gemma-3-27b-it:Q4_K_M +~17\.\d GB +~20\.\d GB +256-1280 +gemma/);
    expect(stdout).toMatch(/ paligemma2-3b-mix-448 .* asks to accept its terms; its decoder is to be converted\n/);
    await run(["pull", tower]);
    expect((await run(["list"])).stdout).toContain("Also in the cache: someone/mini-siglip\n");
  });
});
