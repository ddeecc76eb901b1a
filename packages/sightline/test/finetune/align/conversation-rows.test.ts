import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { conversationOfRow } from "../../../src/finetune/align/conversation-rows.js";

const options = { imageRoot: "/data" };
const at = (name: string): { type: "image"; image: string } => ({ type: "image", image: path.resolve("/data", name) });
const said = (text: string): { type: "text"; text: string } => ({ type: "text", text });

describe("a row in LLaVA's form", () => {
  it("is a conversation with the image where <image> stands, without the line break beside it", () => {
    const row = { id: "7", image: "a.jpg", conversations: [{ from: "human", value: "<image>\nWhat is this?" }, { from: "gpt", value: "A cat." }, { from: "human", value: "Sure?" }, { from: "gpt", value: " Yes. " }] };
    expect(conversationOfRow(row, "x:1", options)).toEqual({
      id: "7",
      messages: [
        { role: "user", content: [at("a.jpg"), said("What is this?")] },
        { role: "assistant", content: "A cat." },
        { role: "user", content: [said("Sure?")] },
        { role: "assistant", content: "Yes." },
      ],
    });
    const behind = conversationOfRow({ image: "a.jpg", conversations: [{ from: "human", value: "What is this?\n<image>" }, { from: "gpt", value: "A cat." }] }, "x:2", options);
    expect(behind).toMatchObject({ id: "x:2", messages: [{ content: [said("What is this?"), at("a.jpg")] }, {}] });
  });

  it("takes several images in order, puts one that is not named before the question, and starts with the system message that is asked for", () => {
    const two = { image: ["a.jpg", "b.jpg"], conversations: [{ from: "human", value: "<image> and <image>: which?" }, { from: "gpt", value: "The first." }] };
    expect(conversationOfRow(two, "x", options)).toMatchObject({ messages: [{ content: [at("a.jpg"), said(" and "), at("b.jpg"), said(": which?")] }, {}] });
    const unnamed = { image: "a.jpg", conversations: [{ from: "human", value: "What?" }, { from: "gpt", value: "A cat." }] };
    expect(conversationOfRow(unnamed, "x", { ...options, system: "Be brief." })).toMatchObject({ messages: [{ role: "system", content: "Be brief." }, { content: [at("a.jpg"), said("What?")] }, {}] });
  });

  it("drops a question that nobody answers", () => {
    const row = { conversations: [{ from: "human", value: "Hi" }, { from: "gpt", value: "Hello" }, { from: "human", value: "And?" }] };
    expect(conversationOfRow(row, "x", options)).toMatchObject({ messages: [{ role: "user" }, { role: "assistant" }] });
  });

  it.each([
    [{ conversations: [{ from: "human", value: "Hi" }] }, "no answer"],
    [{ conversations: [{ from: "gpt", value: "Hi" }] }, "begins with an answer"],
    [{ conversations: [{ from: "human", value: "<image>" }, { from: "gpt", value: "x" }] }, "more places for images than images"],
    [{ image: ["a", "b"], conversations: [{ from: "human", value: "<image>" }, { from: "gpt", value: "x" }] }, "more images than places for them"],
    [{ conversations: [{ from: "bot", value: "Hi" }] }, 'a turn from "bot"'],
    [{ conversations: [{ from: "human", value: 3 }] }, "a turn without text"],
    [{ conversations: [{ from: "human", value: "Hi" }, { from: "gpt", value: " " }] }, "an empty message of the assistant"],
    [{ image: "https://a.b/c.jpg", conversations: [{ from: "human", value: "Hi" }, { from: "gpt", value: "x" }] }, "image is a URL, which is not fetched"],
    [{ image: { width: 3 }, conversations: [{ from: "human", value: "Hi" }, { from: "gpt", value: "x" }] }, "no image where one should be"],
    [{ conversations: ["Hi"] }, "a turn from undefined"],
  ])("is none when it is %j: %s", (row, reason) => {
    expect(conversationOfRow(row, "x:3", options)).toEqual({ id: "x:3", reason });
  });
});

describe("a row in OpenAI's form", () => {
  it("is a conversation with parts of text and images, given as data, paths, or by the row", () => {
    const png = Uint8Array.of(137, 80, 78, 71);
    const row = {
      images: [{ bytes: null, path: "c.png" }],
      messages: [
        { role: "developer", content: "Be brief." },
        { role: "user", content: [{ type: "image_url", image_url: { url: `data:image/png;base64,${Buffer.from(png).toString("base64")}` } }, { type: "text", text: "This?" }, { type: "image" }, { type: "image_url", image_url: "d.png" }] },
        { role: "assistant", content: [{ type: "text", text: "A cat" }, { type: "text", text: "." }] },
      ],
    };
    expect(conversationOfRow(row, "x", options)).toEqual({
      id: "x",
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: [{ type: "image", image: png }, said("This?"), at("c.png"), at("d.png")] },
        { role: "assistant", content: "A cat." },
      ],
    });
  });

  it.each([
    [{ messages: [{ role: "tool", content: "x" }] }, 'a message of the role "tool"'],
    [{ messages: [{ role: "user", content: 4 }] }, "a message without text"],
    [{ messages: [{ role: "user", content: [{ type: "audio" }] }] }, 'a part of the type "audio"'],
    [{ messages: [{ role: "user", content: "a" }, { role: "assistant", content: [{ type: "image_url", image_url: "a.png" }] }] }, "an image in a message of the assistant"],
    [{ messages: [] }, "no answer"],
  ])("is none when it is %j: %s", (row, reason) => {
    expect(conversationOfRow(row, "x", options)).toEqual({ id: "x", reason });
  });
});

it("takes any JSON for a row without throwing", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.jsonValue(), fc.record({ from: fc.constantFrom("human", "gpt"), value: fc.string() }))), fc.jsonValue(), fc.boolean(), (turns, image, llava) => {
      const read = conversationOfRow(llava ? { conversations: turns, image } : { messages: turns, images: image }, "x", options);
      expect("reason" in read || read.messages.at(-1)?.role === "assistant").toBe(true);
    }),
  );
});
