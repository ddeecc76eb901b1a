import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { tasks } from "@sightline/evals";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const run = promisify(execFile);
const repository = fileURLToPath(new URL("../..", import.meta.url));
let folder: string;
let page: string;
beforeAll(async () => {
  page = await readFile(path.join(repository, "docs/evals.md"), "utf8");
  folder = await mkdtemp(path.join(os.tmpdir(), "sightline-docs-"));
  await symlink(path.join(repository, "node_modules"), path.join(folder, "node_modules"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const blocks = (language: string): readonly string[] => [...page.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, "g"))].map((match) => match[1] ?? "");

async function script(code: string): Promise<string> {
  await writeFile(path.join(folder, "snippet.mjs"), code);
  return (await run(process.execPath, ["snippet.mjs"], { cwd: folder })).stdout.trim();
}

describe("docs/evals.md", () => {
  it("names every task", () => {
    for (const { name } of tasks) expect(page).toContain(`\`${name}\``);
  });

  it("has snippets that run", async () => {
    const [captions = "", runs = ""] = blocks("ts");
    expect(await script(captions)).toMatch(/^0\.\d{3} 0\.\d{3} \d\.\d{3} 2$/);
    expect(await script(runs)).toBe("[ 'object-f1', 'yes-no-accuracy' ] 6");
  });

  it("has commands that run", async () => {
    await writeFile(path.join(folder, "captions.json"), JSON.stringify([{ image_id: 397133, caption: "a man in a kitchen" }]));
    const commands = blocks("sh").map((block) => block.trim().split(" "));
    expect(commands).toHaveLength(2);
    for (const [program, ...args] of commands) {
      expect(program).toBe("sightline");
      const short = args.includes("emoji-scenes") ? ["--limit", "4", "--out", "runs/short"] : [];
      const { stdout } = await run(process.execPath, [path.join(repository, "packages/sightline/bin/sightline.js"), ...args, ...short], { cwd: folder });
      expect(stdout).toContain("| task | n | figure | value |");
    }
  });
});
