import { spawn } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { finish, temporaryFolder, type CommandResult } from "./command.js";

const repository = fileURLToPath(new URL("../../..", import.meta.url));
const installed = path.join(repository, "node_modules");
const scope = "@node-llama-cpp";
/** What is installed here for this machine. */
const platforms: Readonly<Record<string, string>> = { "linux-x64": "linux-x64", "linux-arm64": "linux-arm64", "darwin-arm64": "mac-arm64-metal", "darwin-x64": "mac-x64", "win32-x64": "win-x64", "win32-arm64": "win-arm64" };
const platform = platforms[`${process.platform}-${process.arch}`] as string;
const command = `npm install ${scope}/${platform}@3.21.1`;

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

/**
 * A folder in which sightline is installed as npm does it, apart from llama.cpp. What looks for llama.cpp is copied, since
 * Node resolves packages from where a file really is; the rest is linked.
 */
async function install(name: string): Promise<string> {
  const modules = path.join(folder, name, "node_modules");
  await mkdir(path.join(modules, "@sightline"), { recursive: true });
  for (const entry of await readdir(installed)) {
    if (entry.startsWith(".") || ["@sightline", "sightline", scope].includes(entry)) continue;
    await symlink(path.join(installed, entry), path.join(modules, entry));
  }
  for (const entry of await readdir(path.join(installed, "@sightline"))) {
    if (entry !== "decoder") await symlink(path.join(installed, "@sightline", entry), path.join(modules, "@sightline", entry));
  }
  for (const [source, target] of [["decoder", "@sightline/decoder"], ["sightline", "sightline"]] as const) {
    const from = path.join(repository, "packages", source);
    for (const part of source === "decoder" ? ["package.json", "dist"] : ["package.json", "dist", "bin"]) await cp(path.join(from, part), path.join(modules, target, part), { recursive: true });
  }
  return modules;
}

/** llama.cpp beside it, its libraries linked, with another release in its metadata or another file for each library. */
async function installLlama(modules: string, { release, library }: { readonly release?: string; readonly library?: string }): Promise<void> {
  const [from, to] = [path.join(installed, scope, platform), path.join(modules, scope, platform)];
  for (const part of ["package.json", "dist"]) await cp(path.join(from, part), path.join(to, part), { recursive: true });
  for (const build of await readdir(path.join(from, "bins"))) {
    const [source, target] = [path.join(from, "bins", build), path.join(to, "bins", build)];
    await mkdir(target, { recursive: true });
    for (const file of await readdir(source)) {
      if (file === "_nlcBuildMetadata.json") await writeFile(path.join(target, file), (await readFile(path.join(source, file), "utf8")).replaceAll("v0.4.0", release ?? "v0.4.0"));
      else if (library === undefined) await symlink(path.join(source, file), path.join(target, file));
      else await writeFile(path.join(target, file), library);
    }
  }
}

function chat(modules: string): Promise<CommandResult> {
  return finish(spawn(process.execPath, [path.join(modules, "sightline/bin/sightline.js"), "chat", "-p", "Hello", "--max-tokens", "2"], { stdio: ["ignore", "pipe", "pipe"], cwd: path.dirname(modules) }));
}

/** Fails as a command does: nothing on stdout, one line on stderr, no stack. */
function expectOneLine({ code, stdout, stderr }: CommandResult): string {
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^sightline: [^\n]+\n$/);
  expect(stderr).not.toMatch(/ at |node:internal/);
  return stderr;
}

describe("sightline chat", () => {
  it("works in such a folder", async () => {
    const modules = await install("whole");
    await installLlama(modules, {});
    expect(await chat(modules)).toMatchObject({ code: 0, stderr: "" });
  });

  it("says which package to install where llama.cpp is not there", async () => {
    expect(expectOneLine(await chat(await install("missing")))).toContain(`llama.cpp is not installed: expected the package ${scope}/${platform}; run: ${command}`);
  });

  it("says which package to install where another release is there", async () => {
    const modules = await install("other");
    await installLlama(modules, { release: "v0.9.9" });
    expect(expectOneLine(await chat(modules))).toContain(`expected llama.cpp v0.4.0, got ${scope}/${platform} with v0.9.9; run: ${command}`);
  });

  it("says which package to install again where its libraries are damaged", async () => {
    const modules = await install("damaged");
    await installLlama(modules, { library: "not a library" });
    const line = expectOneLine(await chat(modules));
    expect(line).toContain(`the libraries of ${scope}/${platform} do not load`);
    expect(line).toContain(`npm install --force ${scope}/${platform}@3.21.1`);
  });

  it("says which package to install again where it is half there", async () => {
    const modules = await install("half");
    await installLlama(modules, {});
    await rm(path.join(modules, scope, platform, "dist"), { recursive: true });
    const line = expectOneLine(await chat(modules));
    expect(line).toContain(`${scope}/${platform}@3.21.1`);
  });
});
