import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);

const blocks = async (language: string, file = "README.md"): Promise<string[]> =>
  [...(await readFile(path.join(root, file), "utf8")).matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map(([, code]) => code as string);

/** Runs a snippet as a program of its own, where `sightline` resolves as it does for a user. */
async function runSnippet(code: string, index: number): Promise<string> {
  const file = path.join(root, "test", `.readme-snippet-${index}.mjs`);
  await writeFile(file, code);
  try {
    return (await run(process.execPath, [file], { cwd: root })).stdout;
  } finally {
    await rm(file);
  }
}

describe("the README's snippets run as they stand", async () => {
  const snippets = await blocks("js");
  const commands = (await blocks("sh")).flatMap((block) => block.trim().split("\n"));

  it("there are two programs and six commands", () => {
    expect([snippets.length, commands.length]).toEqual([2, 6]);
  });

  it("the chat says something and counts the image's tokens", async () => {
    const output = await runSnippet(snippets[0] as string, 0);
    expect(output).toMatch(/\w+[\s\S]*\n64 image tokens, first text after \d+ ms\n/);
  });

  it("the tags have a probability each", async () => {
    const output = await runSnippet(snippets[1] as string, 1);
    const lines = output.trim().split("\n").filter((line) => line !== "none of these");
    expect(lines.map((line) => line.split(" ")[0]).sort()).toEqual(["bus", "cat", "umbrella"]);
    for (const line of lines) expect(Number(line.split(" ")[1])).toBeGreaterThanOrEqual(0);
  });

  it.each(commands)("%s", async (command) => {
    const [program, ...args] = (command.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replace(/^"|"$/g, ""));
    const { stdout } = await run(program as string, args, { cwd: root });
    expect(stdout.trim().length).toBeGreaterThan(0);
  });
});

describe("the vision tower's README", () => {
  it("encodes, compares and tags", async () => {
    const [snippet = ""] = await blocks("js", "packages/vision-tower/README.md");
    const output = await runSnippet(snippet, 2);
    expect(output).toMatch(/^true true\n/);
    expect(output).toMatch(/label: 'airplane', probability: 0\.\d+/);
    expect(output).toMatch(/precision: '(float32|int8)'/);
  });
});
