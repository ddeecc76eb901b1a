import { once } from "node:events";
import { rm, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { openWeights, writeGguf } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { copyOfMini, copyThatNeverEnds, finish, ggufValue, golden, miniFolder, run, start, temporaryFolder } from "./command.js";

const photo = golden("photo.jpg");

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

describe("sightline chat --json", () => {
  it("prints one JSON object and nothing else", async () => {
    const { code, stdout, stderr } = await run(["chat", photo, "-p", "What is this?", "--max-tokens", "4", "--json"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^\{.*\}\n$/);
    const result = JSON.parse(stdout) as { usage: object; timings: object };
    expect(result).toMatchObject({ model: "mini", text: expect.any(String), finishReason: expect.stringMatching(/^(stop|length)$/) });
    for (const name of ["promptTokens", "imageTokens", "completionTokens"]) expect(result.usage).toHaveProperty(name, expect.any(Number));
    for (const name of ["loadMs", "preprocessMs", "encodeMs", "prefillMs", "ttftMs", "decodeMs", "tokensPerSecond"]) {
      expect(result.timings).toHaveProperty(name, expect.any(Number));
    }
  });

  it("gives the text that is printed without it", async () => {
    const args = ["chat", photo, "-p", "What is this?", "--max-tokens", "12"];
    const [plain, json] = [await run(args), await run([...args, "--json"])];
    expect(plain.stdout).toBe(`${(JSON.parse(json.stdout) as { text: string }).text}\n`);
  });

  it("prints nothing on stdout when it fails", async () => {
    const { code, stdout, stderr } = await run(["chat", path.join(folder, "nowhere.png"), "-p", "What is this?", "--json"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^sightline: [^\n]+\n$/);
  });
});

describe("sightline chat", () => {
  it("repeats a sampled answer for its seed", async () => {
    const args = ["chat", photo, "-p", "What is this?", "--max-tokens", "12", "--temperature", "1", "--seed", "5"];
    expect((await run(args)).stdout).toBe((await run(args)).stdout);
  });

  it("answers piped lines one by one, and leaves at /quit", async () => {
    const { code, stdout, stderr } = await run(["chat", photo, "--max-tokens", "1"], "What is this?\n\nAnd why?\n/clear\nStill there?\n/quit\nNot asked\n");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.endsWith("\n")).toBe(true);
    expect(stdout.split("\n").length - 1).toBeGreaterThanOrEqual(3);
  });

  it("gives an answer a line at the end of input too", async () => {
    const one = await run(["chat", photo, "--max-tokens", "1"], "What is this?\n");
    const two = await run(["chat", photo, "--max-tokens", "1"], "What is this?\nWhat is this?");
    expect([one.code, two.code]).toEqual([0, 0]);
    expect(two.stdout.startsWith(one.stdout)).toBe(true);
    expect(two.stdout.length).toBeGreaterThan(one.stdout.length);
  });

  it("reports a failed turn in one line and goes on", async () => {
    const lines = `/image ${path.join(folder, "nowhere.png")}\nWhat is this?\nStill there?\n`;
    const { code, stdout, stderr } = await run(["chat", "--max-tokens", "1"], lines);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^sightline: [^\n]*nowhere\.png[^\n]*\n$/);
    expect(stdout.endsWith("\n")).toBe(true);
  });

  it.skipIf(process.platform === "win32")("leaves with 130 at Ctrl-C amid an answer, without a stack", async () => {
    const model = await copyThatNeverEnds(folder);
    const child = start("chat", photo, "-p", "What is this?", "--max-tokens", "900", "--model", model);
    child.stdin.end();
    const ended = finish(child);
    await once(child.stdout, "data");
    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: 130, stderr: "" });
  });

  it.skipIf(process.platform === "win32")("leaves with 130 at Ctrl-C while it waits for a line", async () => {
    const child = start("chat", photo, "--max-tokens", "1");
    const ended = finish(child);
    child.stdin.write("What is this?\n");
    await once(child.stdout, "data");
    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: 130, stderr: "" });
  });

  it("ends quietly when its reader has seen enough", async () => {
    const child = start("chat", photo, "-p", "What is this?", "--max-tokens", "900", "--temperature", "5", "--seed", "1");
    child.stdin.end();
    const ended = finish(child);
    await once(child.stdout, "data");
    child.stdout.destroy();
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("wrong usage", () => {
  it.each([
    [["chat", "--nope"]],
    [["paint"]],
    [["chat", "--json"]],
    [["chat", photo, "-p", "Hi", "--max-tokens", "0"]],
    [["chat", photo, "-p", "Hi", "--max-tokens", "four"]],
    [["chat", photo, "-p", "Hi", "--temperature", "-1"]],
    [["chat", photo, "-p", "Hi", "--seed", "1.5"]],
    [["tag", photo]],
    [["tag", photo, "--labels", " , "]],
    [["tag", photo, "--labels", "a", "--threshold", "2"]],
  ])("leaves with 2: %j", async (args) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).not.toBe("");
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it("is not asking for help or the version", async () => {
    expect(await run(["--version"])).toMatchObject({ code: 0, stderr: "", stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
    expect(await run(["chat", "--help"])).toMatchObject({ code: 0, stderr: "", stdout: expect.stringContaining("--max-tokens") });
  });
});

describe("a model folder", () => {
  const ask = (model: string, ...more: string[]): ReturnType<typeof run> => run([...more, "chat", photo, "-p", "What is this?", "--max-tokens", "2", "--model", model]);

  /** How a run ends that failed with one line of that content. */
  function oneLine(content: RegExp): object {
    return { code: 1, stdout: "", stderr: expect.stringMatching(new RegExp(`^sightline: [^\\n]*${content.source}[^\\n]*\\n$`)) };
  }

  it("is as good as the name mini", async () => {
    expect(await ask(miniFolder)).toMatchObject({ code: 0, stderr: "" });
  });

  it("must be there", async () => {
    expect(await ask(path.join(folder, "nowhere"))).toMatchObject(oneLine(/nowhere" is neither "mini" nor a directory/));
  });

  it("must hold both files, and one of each", async () => {
    const { folder: model, mmproj } = await copyOfMini(folder);
    await writeFile(path.join(model, "other.gguf"), "");
    expect(await ask(model)).toMatchObject(oneLine(/expected one decoder \.gguf, found mini-qwen3\.gguf, other\.gguf/));
    await rm(path.join(model, "other.gguf"));
    await rm(mmproj);
    expect(await ask(model)).toMatchObject(oneLine(/expected one mmproj\*\.gguf, found none/));
  });

  it.each([["mmproj", 4_000_000], ["mmproj", 100], ["mmproj", 0], ["decoder", 2_000_000], ["decoder", 100], ["decoder", 3]] as const)(
    "is refused when the %s ends after %i bytes, by its name",
    async (part, bytes) => {
      const model = await copyOfMini(folder);
      await truncate(model[part], bytes);
      expect(await ask(model.folder)).toMatchObject(oneLine(new RegExp(path.basename(model[part]).replace(".", "\\."))));
    },
  );

  it("is refused when its projector gives rows that the decoder does not read, with both widths", async () => {
    const model = await copyOfMini(folder);
    await using source = await openWeights(path.join(miniFolder, "mini-qwen3.gguf"));
    const width = source.metadata.get("qwen3.embedding_length") as number;
    await rm(model.decoder);
    await writeGguf(model.decoder, {
      metadata: [...source.metadata].map(([key, value]) => [key, key === "qwen3.embedding_length" ? { type: "uint32", value: width * 2 } : ggufValue(value)]),
      tensors: [...source.tensors.values()].map(({ name, dtype, shape }) => ({ name, dtype, shape, data: () => source.readBytes(name) })),
    });
    expect(await ask(model.folder)).toMatchObject(oneLine(new RegExp(`width ${width} \\(.*width ${width * 2} \\(`)));
  });

  it("shows where an error came from when asked to", async () => {
    const { code, stderr } = await ask(path.join(folder, "nowhere"), "--verbose");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^sightline: .*\n[^\n]*SightlineError[^\n]*\n\s+at /);
  });
});

describe("sightline tag", () => {
  it("prints each label's probability, JSON on request", async () => {
    const { code, stdout, stderr } = await run(["tag", photo, golden("photo-crop.png"), "--labels", "a cat, a dog,a cat", "--json"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const probability = expect.any(Number) as number;
    const results = JSON.parse(stdout) as { tags: { label: string; probability: number }[] }[];
    expect(results).toMatchObject([photo, golden("photo-crop.png")].map((image) => ({ image, noneOfTheAbove: expect.any(Boolean) })));
    for (const { tags } of results) {
      expect([...tags].sort((a, b) => a.label.localeCompare(b.label))).toEqual([{ label: "a cat", probability }, { label: "a dog", probability }]);
    }
  });

  it("prints lines for people otherwise, and says when none holds", async () => {
    const { code, stdout } = await run(["tag", photo, "--labels", "a cat", "--threshold", "1"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/photo\.jpg\n +\d+\.\d % +a cat\n +none of the above\n$/);
  });

  it("says in one line that a model is none", async () => {
    const { code, stdout, stderr } = await run(["tag", photo, "--labels", "a cat", "--model", folder]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^sightline: [^\n]+\n$/);
  });
});

describe("the options of sightline chat", () => {
  it("save a conversation and go on with it, in the loop and from the start", async () => {
    const file = path.join(folder, "conversation.safetensors");
    const saved = await run(["chat", photo, "--max-tokens", "6"], `What is this?\n/save ${file}\nAnd what else?\n`);
    expect(saved).toMatchObject({ code: 0, stderr: "" });
    const second = saved.stdout.trimEnd().split("\n").at(-1);
    const loaded = await run(["chat", "--max-tokens", "6"], `/load ${file}\nAnd what else?\n`);
    expect(loaded).toEqual({ code: 0, stderr: "", stdout: `${second}\n` });
    expect((await run(["chat", "--load", file, "-p", "And what else?", "--max-tokens", "6"])).stdout).toBe(`${second}\n`);
  });

  it("say in one line what cannot be loaded, and the conversation goes on", async () => {
    const file = path.join(folder, "nowhere.safetensors");
    const { code, stdout, stderr } = await run(["chat", photo, "--max-tokens", "1"], `/load ${file}\nWhat is this?\n`);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^sightline: [^\n]*nowhere\.safetensors[^\n]*\n$/);
    expect(stdout).not.toBe("");
  });

  it("hold answers to a JSON schema", async () => {
    const schema = path.join(folder, "schema.json");
    await writeFile(schema, JSON.stringify({ type: "object", properties: { animal: { enum: ["bear", "fox"] } }, required: ["animal"], additionalProperties: false }));
    const { stdout } = await run(["chat", photo, "-p", "What do you see?", "--json-schema", schema]);
    expect(["bear", "fox"]).toContain((JSON.parse(stdout) as { animal: string }).animal);
  });

  it("take the two files one by one, drop old turns, and keep rows from run to run", async () => {
    const store = path.join(folder, "rows");
    const model = ["--mmproj", path.join(miniFolder, "mmproj-mini.gguf"), "--decoder", path.join(miniFolder, "mini-qwen3.gguf")];
    const args = ["chat", photo, "-p", "What do you see?", ...model, "--embedding-store", store, "--detail", "low", "--context", "256", "--overflow", "drop-oldest", "--json"];
    const first = JSON.parse((await run(args)).stdout) as { text: string; timings: { encodeMs: number }; usage: { droppedMessages: number } };
    const second = JSON.parse((await run(args)).stdout) as typeof first;
    expect(second.text).toBe(first.text);
    expect(first.timings.encodeMs).toBeGreaterThan(0);
    expect(second.timings.encodeMs).toBe(0);
    expect(second.usage.droppedMessages).toBe(0);
  });

  it.each<[string, readonly string[], RegExp]>([
    ["half a pair", ["--mmproj", "x.gguf"], /--mmproj and --decoder belong together: give both or neither/],
    ["a schema that is no JSON", ["--json-schema", photo], /photo\.jpg: expected a JSON schema, got text that is no JSON/],
    ["a grammar that is not there", ["--grammar", "nowhere.gbnf"], /nowhere\.gbnf: no such file/],
    ["a detail that is none", ["--detail", "closely"], /Allowed choices are low, high, auto/],
  ])("refuse %s as a wrong call", async (_, args, message) => {
    const { code, stdout, stderr } = await run(["chat", photo, "-p", "What?", ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(message);
  });
});
