import { describe, expect, it } from "vitest";
import { timingLine } from "../page/src/chat/timing-line";
import { afterReload, messagesBefore, newConversation, withAnswer, withMessages, type Answer, type Conversation, type Message, type Question } from "../page/src/conversation/conversation";
import { exportJson, exportMarkdown, exportName } from "../page/src/conversation/export-conversation";
import { requestMessages } from "../page/src/conversation/request-messages";
import { searchConversations } from "../page/src/conversation/search-conversations";
import { groupByAge } from "../page/src/list/group-by-age";

const question = (id: string, text: string, pictures: readonly string[] = []): Question => ({ role: "user", id, text, pictures: pictures.map((name) => ({ id: name, name: `${name}.png`, width: 4, height: 3 })) });
const answer = (id: string, text: string, more: Partial<Answer> = {}): Answer => ({ role: "assistant", id, model: "mini", text, state: "complete", ...more });
const conversation = (messages: readonly Message[], more: Partial<Conversation> = {}): Conversation => ({ ...withMessages(newConversation(Date.UTC(2026, 0, 2)), messages, Date.UTC(2026, 0, 2)), ...more });

describe("a conversation", () => {
  it("is called as its first question, cut between words", () => {
    expect(conversation([question("q", "Which of the crabs in this picture is the larger one, the left?")]).title).toBe("Which of the crabs in this picture is the larger…");
    expect(conversation([question("q", "x".repeat(60))]).title).toBe(`${"x".repeat(48)}…`);
    expect(conversation([]).title).toBe("New conversation");
  });

  it("is called as its first answer where the question is everybody's", () => {
    const asked = conversation([question("q", "What do you see?"), answer("a", "", { state: "writing" })]);
    expect(asked.title).toBe("What do you see?");
    expect(withAnswer(asked, "a", (one) => ({ ...one, text: "I see\ntwo crabs." }), 5)).toMatchObject({ title: "I see two crabs.", updatedAt: 5 });
  });

  it("keeps the name that a person gave it", () => {
    expect(withMessages(conversation([], { title: "Crabs", named: true }), [question("q", "What?")], 1).title).toBe("Crabs");
  });

  it("knows what came before a message, and all when the message is gone", () => {
    const messages = [question("1", "a"), answer("2", "b"), question("3", "c"), answer("4", "d")];
    expect(messagesBefore(conversation(messages), "3").map(({ id }) => id)).toEqual(["1", "2"]);
    expect(messagesBefore(conversation(messages), "9")).toBe(messages);
  });

  it("is itself when an answer that it no longer has is changed", () => {
    const one = conversation([question("1", "a")]);
    expect(withAnswer(one, "gone", (now) => ({ ...now, text: "late" }), 9)).toBe(one);
  });

  it("has a stopped answer where the page was closed while it was written", () => {
    const [, last] = afterReload(conversation([question("1", "a"), answer("2", "half", { state: "writing" })])).messages;
    expect(last).toMatchObject({ text: "half", state: "stopped" });
  });
});

describe("the list", () => {
  const crabs = conversation([question("1", "How many crabs?"), answer("2", "Two of them")], { id: "crabs" });
  const cafe = conversation([question("1", "What do they sell?"), answer("2", "Crêpes and café")], { id: "café" });

  it("finds every word in titles, questions and answers, whatever its case and accents", () => {
    const found = (query: string): string[] => searchConversations([crabs, cafe], query).map(({ id }) => id);
    expect(found("CRABS two")).toEqual(["crabs"]);
    expect(found("crepes")).toEqual(["café"]);
    expect(found("crabs café")).toEqual([]);
    expect(found("  ")).toEqual(["crabs", "café"]);
  });

  it("is parted by days", () => {
    const now = new Date(2026, 4, 20, 10).getTime();
    const at = (year: number, month: number, day: number): Conversation => ({ ...crabs, updatedAt: new Date(year, month, day, 23, 59).getTime() });
    const groups = groupByAge([{ ...crabs, updatedAt: now - 1 }, at(2026, 4, 19), at(2026, 4, 14), at(2026, 3, 1), at(2020, 1, 1)], now);
    expect(groups.map(({ name, conversations }) => [name, conversations.length])).toEqual([["Today", 1], ["Yesterday", 1], ["This week", 1], ["Earlier", 2]]);
  });
});

describe("what the server is sent", () => {
  it("has the pictures before their question with the detail of the settings, the system prompt first, and no empty answer", async () => {
    const messages = [question("1", "What?", ["p"]), answer("2", "", { state: "failed" }), question("3", "And now?")];
    const sent = await requestMessages(messages, { systemPrompt: " Be brief. ", detail: "low" }, async (id) => `data:,${id}`);
    expect(sent).toEqual([
      { role: "system", content: "Be brief." },
      { role: "user", content: [{ type: "image_url", image_url: { url: "data:,p", detail: "low" } }, { type: "text", text: "What?" }] },
      { role: "user", content: [{ type: "text", text: "And now?" }] },
    ]);
  });
});

describe("exports", () => {
  const one = conversation([question("1", "What *is* this?", ["crab", "lost"]), answer("2", "Two **crabs**.", { timings: { tokensPerSecond: 9 } }), question("3", "Sure?"), answer("4", "Y", { state: "stopped" })], { title: "Crabs [1]" });
  const data = async (id: string): Promise<string | undefined> => (id === "lost" ? undefined : `data:image/png;base64,${id}`);

  it("are JSON with pictures in it", async () => {
    const file = JSON.parse(await exportJson(one, data)) as { messages: unknown[] };
    expect(file).toMatchObject({ format: "sightline-conversation", version: 1, title: "Crabs [1]", createdAt: "2026-01-02T00:00:00.000Z" });
    expect(file.messages.slice(0, 2)).toEqual([
      { role: "user", text: "What *is* this?", pictures: [{ name: "crab.png", width: 4, height: 3, data: "data:image/png;base64,crab" }, { name: "lost.png", width: 4, height: 3, data: null }] },
      { role: "assistant", model: "mini", text: "Two **crabs**.", state: "complete", timings: { tokensPerSecond: 9 } },
    ]);
  });

  it("are Markdown with pictures at its end", async () => {
    expect(await exportMarkdown(one, data)).toBe(
      ["# Crabs \\[1\\]", "*2026-01-02*", "**You**", "![crab.png][picture-1]", "*(picture lost: lost.png)*", "What *is* this?", "**mini**", "Two **crabs**.", "**You**", "Sure?", "**mini**", "Y", "*(stopped)*", "[picture-1]: data:image/png;base64,crab"].join("\n\n") + "\n",
    );
  });

  it("have names that every system takes", () => {
    expect(exportName({ ...one, title: "Où est-ce? a/b:c" }, "md")).toBe("ou-est-ce-a-b-c.md");
    expect(exportName({ ...one, title: "…" }, "json")).toBe("conversation.json");
  });
});

describe("the line under an answer", () => {
  it.each([
    [{ tokensPerSecond: 8549.2, firstTokenMs: 17.4 }, "mini · 8,549 tokens/s · first token after 17 ms"],
    [{ tokensPerSecond: 3.14159, firstTokenMs: 12_340 }, "mini · 3.1 tokens/s · first token after 12.3 s"],
    [{ tokensPerSecond: 0 }, "mini"],
    [undefined, "mini"],
  ])("of %j is %s", (timings, line) => {
    expect(timingLine(timings ? { model: "mini", timings } : { model: "mini" })).toBe(line);
  });
});
