import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const packageRoot = fileURLToPath(new URL("..", import.meta.url));
const repository = path.resolve(packageRoot, "../..");

it("the README's program answers, embeds and ends by itself", async () => {
  const [, code = ""] = /```js\n([\s\S]*?)```/.exec(await readFile(path.join(packageRoot, "README.md"), "utf8")) ?? [];
  const file = path.join(packageRoot, "test", ".readme-snippet.mjs");
  await writeFile(file, code);
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: repository });
    expect(stdout).toMatch(/^I see an airplane, a hamburger and a sailboat\. \d+\n\[ (\d+), \1 \]\n$/);
  } finally {
    await rm(file);
  }
});
