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

  it("there are two programs and eleven commands", () => {
    expect([snippets.length, commands.length]).toEqual([2, 11]);
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

describe("docs/finetuning.md", () => {
  it("its command trains and says where the results are", async () => {
    const [command = ""] = await blocks("sh", "docs/finetuning.md");
    const [program, ...args] = command.trim().split(" ");
    const { stdout } = await run(program as string, args, { cwd: root });
    expect(stdout).toMatch(/runs\/example: 20 steps, loss 0\.\d+\n.*training\.svg\n.*safetensors: .*model\n/);
  });

  it("its program tells the loss of four steps", async () => {
    const [snippet = ""] = await blocks("js", "docs/finetuning.md");
    expect(await runSnippet(snippet, 3)).toMatch(/^1 \d+\.\d{3}\n2 \d+\.\d{3}\n3 \d+\.\d{3}\n4 \d+\.\d{3}\n$/);
  });

  it("its configuration is one, but for the data, which is the reader's", async () => {
    const [configuration = ""] = await blocks("json", "docs/finetuning.md");
    const { parseFinetuneConfig } = await import("sightline");
    expect(parseFinetuneConfig(JSON.parse(configuration), "/data")).toMatchObject({ out: "/data/runs/products", batchSize: 64, chunk: 16, epochs: 3, loss: { type: "sigmoid" } });
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
