import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { parseFinetuneConfig } from "../../../src/index.js";

const root = fileURLToPath(new URL("../../../../../", import.meta.url));
const run = promisify(execFile);

/** The blocks of a language in the section on alignment. */
async function blocks(language: string): Promise<string[]> {
  const page = await readFile(path.join(root, "docs/finetuning.md"), "utf8");
  const [, section = ""] = page.split("## A projector between a tower and a decoder");
  return [...(section.split("\n## ")[0] as string).matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map(([, code]) => code as string);
}

describe("docs/finetuning.md on alignment", () => {
  it("its commands train a projector, and the chat with it answers right", async () => {
    const commands = ((await blocks("sh"))[0] as string).trim().split("\n").map((line) => (line.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', "")));
    expect(commands).toHaveLength(2);
    const [train, chat] = commands as [string[], string[]];
    const trained = await run(train[0] as string, train.slice(1), { cwd: root });
    expect(trained.stdout).toMatch(/runs\/align: 60 steps, loss 0\.\d+\n.*training\.svg\n {2}model: .*runs\/align\/model\n/);
    const { stdout } = await run(chat[0] as string, chat.slice(1), { cwd: root });
    expect(stdout.trim()).toBe("I see two crabs.");
  }, 180_000);

  it("its configuration is one, but for the files, which are the reader's", async () => {
    const [configuration = ""] = await blocks("json");
    expect(parseFinetuneConfig(JSON.parse(configuration), "/data")).toMatchObject({
      stage: "align",
      model: { tower: "google/siglip-base-patch16-224", decoder: "/data/qwen3-0.6b-f16.gguf" },
      data: { train: ["/data/llava.json", "/data/captions.csv"] },
      trains: { decoder: { lora: { rank: 16, parts: ["attention", "mlp"] } }, tower: false },
    });
  });
});
