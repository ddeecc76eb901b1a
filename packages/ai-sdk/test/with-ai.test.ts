import { readFile } from "node:fs/promises";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { InvalidPromptError, UnsupportedFunctionalityError } from "@ai-sdk/provider";
import { cosineSimilarity, embed, embedMany, generateObject, generateText, Output, streamText, tool, type ModelMessage } from "ai";
import { afterAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { createSightline } from "../src/index.js";

const example = (name: string): string => fileURLToPath(new URL(`../../../examples/${name}`, import.meta.url));
const scene = await readFile(example("scene.png"));
const crabs = await readFile(example("crabs.png"));
const sightline = createSightline();
const mini = sightline("mini");
afterAll(async () => sightline[Symbol.asyncDispose]());

const ask = (image: Uint8Array | string | URL, text = "What do you see?"): ModelMessage[] => [{ role: "user", content: [{ type: "file", mediaType: "image/png", data: image }, { type: "text", text }] }];
const sceneAnswer = "I see an airplane, a hamburger and a sailboat.";

describe("generateText", () => {
  it("answers about a picture, and counts what was read and written", async () => {
    const { text, finishReason, usage, providerMetadata } = await generateText({ model: mini, messages: ask(scene) });
    expect(text).toBe(sceneAnswer);
    expect(finishReason).toBe("stop");
    expect(usage.inputTokens).toBeGreaterThan(64);
    expect(usage.outputTokens).toBeGreaterThan(5);
    expect(usage.totalTokens).toBe((usage.inputTokens ?? 0) + (usage.outputTokens ?? 0));
    expect(providerMetadata?.["sightline"]).toMatchObject({ imageTokens: 64, droppedMessages: 0 });
  });

  it("takes pictures as bytes, as base64, as data: URLs and as the older image parts", async () => {
    const base64 = scene.toString("base64");
    for (const messages of [ask(new Uint8Array(scene)), ask(base64), ask(new URL(`data:image/png;base64,${base64}`)), ask(`data:image/png;base64,${base64}`)]) {
      expect((await generateText({ model: mini, messages })).text).toBe(sceneAnswer);
    }
    const older: ModelMessage[] = [{ role: "user", content: [{ type: "image", image: scene }, { type: "text", text: "What do you see?" }] }];
    expect((await generateText({ model: mini, messages: older })).text).toBe(sceneAnswer);
  });

  it("is given the bytes of a URL by the AI SDK, which downloads them", async () => {
    const server = createServer((_, response) => response.setHeader("content-type", "image/png").end(scene)).listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/scene.png`);
      // The SDK's own downloader refuses private addresses; an application may bring one.
      const download = async (requests: readonly { readonly url: URL }[]): Promise<{ data: Uint8Array; mediaType: string }[]> =>
        Promise.all(requests.map(async ({ url: from }) => ({ data: new Uint8Array(await (await fetch(from)).arrayBuffer()), mediaType: "image/png" })));
      expect((await generateText({ model: mini, messages: ask(url), experimental_download: download })).text).toBe(sceneAnswer);
    } finally {
      server.close();
    }
  });

  it("goes on with a conversation, whose beginning the cache holds", async () => {
    const first = ask(scene);
    const { text } = await generateText({ model: mini, messages: first });
    const { text: second, usage } = await generateText({ model: mini, messages: [...first, { role: "assistant", content: text }, { role: "user", content: "Is there a sailboat?" }] });
    expect(second).toMatch(/^yes/i);
    expect(usage.inputTokenDetails.cacheReadTokens).toBeGreaterThan(64);
  });

  it("repeats itself under a seed, stops at stop sequences and at the length", async () => {
    const settings = { model: mini, messages: ask(crabs), temperature: 2, seed: 7 };
    expect((await generateText(settings)).text).toBe((await generateText(settings)).text);
    expect((await generateText({ model: mini, messages: ask(scene), stopSequences: [" a hamburger"] })).text).toBe("I see an airplane,");
    expect(await generateText({ model: mini, messages: ask(scene), maxOutputTokens: 2 })).toMatchObject({ finishReason: "length", usage: { outputTokens: 2 } });
  });

  it("refuses tools, and files that are no pictures", async () => {
    const tools = { look: tool({ inputSchema: z.object({ where: z.string() }), execute: async () => "nothing" }) };
    await expect(generateText({ model: mini, messages: ask(scene), tools })).rejects.toSatisfy((error) => UnsupportedFunctionalityError.isInstance(error));
    const sound: ModelMessage[] = [{ role: "user", content: [{ type: "file", mediaType: "audio/wav", data: new Uint8Array(44) }] }];
    await expect(generateText({ model: mini, messages: sound })).rejects.toThrow("expected files of type image/*, got audio/wav");
  });

  it("never opens a path that stands in a picture's place", async () => {
    await expect(generateText({ model: mini, messages: ask(example("scene.png")), maxRetries: 0 })).rejects.toThrow();
    await expect(generateText({ model: mini, messages: ask(new URL(`file://${example("scene.png")}`)), maxRetries: 0 })).rejects.toThrow();
  });

  it("names an unknown option of ours, and passes the known ones on", async () => {
    await expect(generateText({ model: mini, messages: ask(scene), providerOptions: { sightline: { detial: "low" } } })).rejects.toSatisfy(
      (error) => InvalidPromptError.isInstance(error) && error.message.includes("providerOptions.sightline.detial"),
    );
    const { text } = await generateText({ model: mini, messages: ask(scene), providerOptions: { sightline: { detail: "low", grammar: 'root ::= "a kite"' } } });
    expect(text).toBe("a kite");
  });
});

describe("streamText", () => {
  it("gives the text as it comes, then the usage", async () => {
    const { textStream, usage, finishReason } = streamText({ model: mini, messages: ask(scene) });
    const deltas: string[] = [];
    for await (const delta of textStream) deltas.push(delta);
    expect(deltas.length).toBeGreaterThan(3);
    expect(deltas.join("")).toBe(sceneAnswer);
    expect(await finishReason).toBe("stop");
    expect((await usage).outputTokens).toBeGreaterThan(5);
  });

  it("ends when it is aborted, and the model answers the next call", async () => {
    const abort = new AbortController();
    const { textStream } = streamText({ model: mini, messages: ask(crabs), abortSignal: abort.signal, providerOptions: { sightline: { grammar: 'root ::= "a"*' } } });
    let deltas = 0;
    for await (const _ of textStream) if (++deltas === 3) abort.abort();
    expect(deltas).toBeLessThan(50);
    expect((await generateText({ model: mini, messages: ask(scene) })).text).toBe(sceneAnswer);
  });

  it("frees the slot of a reader who leaves", async () => {
    for (let i = 0; i < 12; i++) {
      const { stream } = await mini.doStream({ prompt: [{ role: "user", content: [{ type: "text", text: "Hi" }] }], providerOptions: { sightline: { grammar: 'root ::= "a"*' } } });
      const reader = stream.getReader();
      await reader.read();
      await reader.cancel();
    }
    expect((await generateText({ model: mini, messages: ask(scene) })).text).toBe(sceneAnswer);
  });
});

describe("objects", () => {
  const schema = z.object({ objects: z.array(z.enum(["airplane", "hamburger", "sailboat", "cat"])).max(4), count: z.int().min(0).max(9) });

  it("generateObject gives what the schema allows", async () => {
    const { object } = await generateObject({ model: mini, schema, messages: ask(scene, "What do you see?") });
    expect(schema.parse(object)).toEqual(object);
  });

  it("generateText with an output likewise", async () => {
    const { output } = await generateText({ model: mini, output: Output.object({ schema }), messages: ask(scene) });
    expect(schema.parse(output)).toEqual(output);
  });
});

describe("embeddings", () => {
  const siglip = sightline.embeddingModel("mini");

  it("put a picture nearest to the text that is true of it", async () => {
    const { embeddings } = await embedMany({ model: siglip, values: [`data:image/png;base64,${crabs.toString("base64")}`, "a crab", "a sunflower", "a sailboat"] });
    const [picture = [], ...texts] = embeddings;
    const scores = texts.map((text) => cosineSimilarity(picture, text));
    expect(scores.indexOf(Math.max(...scores))).toBe(0);
    for (const embedding of embeddings) expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
  });

  it("one text alone is the same as among others", async () => {
    const { embedding } = await embed({ model: siglip, value: "a sunflower" });
    const { embeddings } = await embedMany({ model: siglip, values: ["a crab", "a sunflower"] });
    expect(cosineSimilarity(embedding, embeddings[1] ?? [])).toBeGreaterThan(0.999999);
  });
});

describe("the provider", () => {
  it("tells a model that is not there in one line, and tries again at the next call", async () => {
    await expect(generateText({ model: sightline("no-such-folder"), prompt: "Hi", maxRetries: 0 })).rejects.toThrow(/no-such-folder/);
    await expect(generateText({ model: sightline("no-such-folder"), prompt: "Hi", maxRetries: 0 })).rejects.toThrow(/no-such-folder/);
  });

  it("refuses calls after its end", async () => {
    const other = createSightline();
    expect((await generateText({ model: other("mini"), prompt: "Hi", maxOutputTokens: 1 })).usage.outputTokens).toBe(1);
    await other[Symbol.asyncDispose]();
    await expect(generateText({ model: other("mini"), prompt: "Hi", maxRetries: 0 })).rejects.toThrow("the provider was disposed");
  });
});
