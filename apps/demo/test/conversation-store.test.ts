import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Conversation } from "../page/src/conversation/conversation";
import type { ConversationStore } from "../page/src/conversation/conversation-store";
import { bundle } from "./browser/bundle";
import { openBrowser, withoutChromium } from "./browser/chromium";

declare const subject: { ConversationStore: typeof ConversationStore };
declare global {
  interface Window {
    opened: ConversationStore;
  }
}

const conversation = (id: string, updatedAt: number, pictures: readonly string[] = []): Conversation => ({
  id, title: id, named: false, createdAt: 1, updatedAt,
  messages: [{ role: "user", id: `${id}-1`, text: "What?", pictures: pictures.map((picture) => ({ id: picture, name: picture, width: 1, height: 1 })) }],
});

describe.skipIf(withoutChromium)("conversations in IndexedDB", () => {
  let profile: string;
  let context: BrowserContext;
  let page: Page;
  let script: string;
  let tests = 0;

  const openStore = (name: string): Promise<void> =>
    page.evaluate(async (name) => {
      window.opened = await subject.ConversationStore.open(name);
    }, name);
  const list = (): Promise<Conversation[]> => page.evaluate(() => window.opened.list());
  const ids = async (): Promise<string[]> => (await list()).map(({ id }) => id);
  const save = (...conversations: Conversation[]): Promise<void> => page.evaluate(async (all) => void (await Promise.all(all.map((one) => window.opened.save(one)))), conversations);
  const savePicture = (owner: string, id: string, text: string): Promise<void> => page.evaluate(([owner, id, text]) => window.opened.savePicture(owner as string, id as string, new Blob([text as string], { type: "image/png" })), [owner, id, text]);
  const picture = (id: string): Promise<string | undefined> => page.evaluate(async (id) => (await window.opened.picture(id))?.text(), id);

  beforeAll(async () => {
    profile = await mkdtemp(path.join(tmpdir(), "sightline-store-"));
    script = await bundle("../../page/src/conversation/conversation-store.ts");
    context = await openBrowser(profile);
    page = await context.newPage();
    await page.route("**/*", (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html>" }));
    await page.goto("http://localhost/");
    await page.evaluate(script);
  });
  beforeEach(() => openStore(`store-${tests++}`));

  afterAll(async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  });

  it("are listed with the last changed first, and replaced by what is saved under their id", async () => {
    await save(conversation("a", 1), conversation("b", 3), conversation("c", 2));
    expect(await ids()).toEqual(["b", "c", "a"]);
    await save({ ...conversation("a", 4), title: "renamed" });
    expect((await list())[0]).toMatchObject({ id: "a", title: "renamed" });
    expect(await ids()).toEqual(["a", "b", "c"]);
  });

  it("outlive the page, pictures too", async () => {
    await save(conversation("a", 1, ["p"]));
    await savePicture("a", "p", "bytes");
    await page.reload();
    await page.evaluate(script);
    await openStore(`store-${tests - 1}`);
    expect(await list()).toEqual([conversation("a", 1, ["p"])]);
    expect(await picture("p")).toBe("bytes");
  });

  it("go with their pictures, leave others alone, and come back whole", async () => {
    await save(conversation("a", 1, ["p", "q"]), conversation("b", 2, ["r"]));
    for (const [owner, id] of [["a", "p"], ["a", "q"], ["b", "r"]] as const) await savePicture(owner, id, `bytes of ${id}`);
    const restored = await page.evaluate(async () => {
      const undo = await window.opened.remove("a");
      const between = [(await window.opened.list()).length, await window.opened.picture("p"), (await window.opened.picture("r"))?.size];
      await undo();
      return between;
    });
    expect(restored).toEqual([1, undefined, 10]);
    expect(await ids()).toEqual(["b", "a"]);
    expect(await picture("q")).toBe("bytes of q");
  });

  it("lose the pictures that no message shows any more, and only those", async () => {
    await savePicture("a", "kept", "1");
    await savePicture("a", "lost", "2");
    await savePicture("b", "other", "3");
    await page.evaluate((now) => window.opened.dropLostPictures(now), conversation("a", 1, ["kept"]));
    expect([await picture("kept"), await picture("lost"), await picture("other")]).toEqual(["1", undefined, "3"]);
  });
});
