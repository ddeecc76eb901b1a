import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { RunningServer } from "@sightline/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answer, miniServer } from "./mini-server.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const run = promisify(execFile);
const page = await readFile(path.join(root, "docs/serving.md"), "utf8");
const blocks = (language: string): string[] => [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map(([, code]) => code as string);

let server: RunningServer;
beforeAll(async () => {
  server = await miniServer();
});
afterAll(() => server.close());

/** As it stands, but for the port, which may be taken here. */
const here = (code: string): string => code.replaceAll("http://localhost:8080", server.url);

async function runSnippet(code: string, index: number): Promise<string> {
  const file = path.join(root, "packages/server/test", `.serving-snippet-${index}.mjs`);
  await writeFile(file, here(code));
  try {
    return (await run(process.execPath, [file], { cwd: root })).stdout;
  } finally {
    await rm(file);
  }
}

describe("docs/serving.md: its snippets run as they stand", () => {
  const [programs, commands] = [blocks("js"), blocks("sh")];

  it("there are five programs and two commands", () => {
    expect([programs.length, commands.length]).toEqual([5, 2]);
    // The command itself is tried in command.test.ts, with a port that is free.
    expect(commands[0]).toBe("npx sightline serve\n");
  });

  it("curl", async () => {
    const { stdout } = await run("sh", ["-c", here(commands[1] as string)], { cwd: root });
    expect(JSON.parse(stdout).choices[0].message.content).toBe(answer);
  });

  it.each([["openai", 0], ["the AI SDK", 1], ["LangChain", 2]] as const)("%s", async (_, index) => {
    expect((await runSnippet(programs[index] as string, index)).trim()).toBe(answer);
  });

  it("SigLIP", async () => {
    expect(await runSnippet(programs[3] as string, 3)).toMatch(/^hamburger 0\.9\d\d\ncat 0\.\d{3}\nhottest in row [5-7], column [3-5] of 8 x 8\n2 embeddings of 256 numbers\n$/);
  });

  it("the library", async () => {
    expect(await runSnippet(programs[4] as string, 4)).toBe("200\n");
  });
});

describe("the package's README", () => {
  it("its snippet runs as it stands", async () => {
    const readme = await readFile(path.join(root, "packages/server/README.md"), "utf8");
    expect(await runSnippet(/```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? "", 5)).toBe("mini loaded\n");
  });
});
