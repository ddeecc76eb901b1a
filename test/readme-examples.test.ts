import { spawn } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "readme-examples-"));
  for (const name of ["node_modules", "models", "examples"]) await symlink(path.join(root, name), path.join(folder, name));
  await copyFile(path.join(root, "examples/scene.png"), path.join(folder, "photo.jpg"));
});
afterAll(() => rm(folder, { recursive: true }));

async function examplesOf(readme: string): Promise<readonly string[]> {
  const markdown = await readFile(path.join(root, readme), "utf8");
  return [...markdown.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code]) => code as string);
}

async function run(code: string): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, ["--input-type=module", "-"], { cwd: folder });
  child.stdin.end(code);
  const [stdout, stderr, exit] = await Promise.all([text(child.stdout), text(child.stderr), new Promise<number | null>((resolve) => child.on("close", resolve))]);
  return { code: exit, stdout, stderr };
}

describe("the examples of every README run as they stand", () => {
  it.each([
    ["README.md", [/airplane/, /umbrella/]],
    ["packages/weights/README.md", [/patch_embedding.weight F16 \[ 256, 3, 16, 16 \]/]],
    ["packages/graph/README.md", [/Float32Array\(1\)/]],
    ["packages/vision-tower/README.md", [/true true/]],
    ["packages/projector/README.md", [/mlp 64 192\n\[ 1, 64, 192 \]/]],
    ["packages/decoder/README.md", [/(stop|length), \d+ tokens/]],
    ["packages/contrastive/README.md", [/^0 \d\.\d+\n50 /m]],
    ["packages/server/README.md", [/^mini loaded$/m]],
    ["evals/README.md", [/^a dog and a cat\n\d(\.\d+)?\n1 1$/m]],
    ["packages/sightline/README.md", [/airplane[\s\S]*64 image tokens[\s\S]*label: 'airplane'/]],
  ] as const)("%s", async (readme, expected) => {
    const examples = await examplesOf(readme);
    expect(examples.length).toBeGreaterThan(0);
    let printed = "";
    for (const example of examples) {
      const { code, stdout, stderr } = await run(example);
      expect(stderr, stderr).not.toMatch(/Error/);
      expect(code).toBe(0);
      printed += stdout;
    }
    for (const pattern of expected) expect(printed).toMatch(pattern);
  });
});
