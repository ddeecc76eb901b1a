import { readFile, readdir, stat } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { buildPage } from "./browser/build-page";
import { withoutChromium } from "./browser/chromium";
import { DemoPage, example } from "./browser/demo-page";
import { soon } from "./browser/soon";
import { startDemo, type DemoServer } from "./browser/demo-server";

/** The same files under two names: the second is loaded when it is chosen. */
const twoModels = ["--model", "mini", "--model", "twin=mini"];

describe.skipIf(withoutChromium)("the demo's page, in Chromium, on mini", () => {
  let page: string;
  let server: DemoServer;
  let demo: DemoPage;

  beforeAll(async () => {
    page = await buildPage("page");
    server = await startDemo("--port", "0", ...twoModels);
    demo = await DemoPage.open(server.url);
  });

  afterAll(async () => {
    await demo?.close();
    await server?.stop();
  });

  // Whatever a test is about, the page speaks to its own server alone and logs no error.
  afterEach(() => {
    const [foreign, problems] = [demo.foreignRequests.splice(0), demo.problems.splice(0)];
    if (foreign.length > 0) throw new Error(`the page asked others: ${foreign.join(", ")}`);
    if (problems.length > 0) throw new Error(`the page logged: ${problems.join("; ")}`);
  });

  const fresh = async (): Promise<void> => {
    await demo.load("/#/");
    await demo.page.reload();
    await demo.question.waitFor();
  };

  it("loads less than 200 KB of script and can be used within a second", async () => {
    const assets = path.join(page, "assets");
    const scripts = (await readdir(assets)).filter((name) => name.endsWith(".js"));
    const sizes = await Promise.all(scripts.map(async (name) => (await stat(path.join(assets, name))).size));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(200_000);
    // The best of three: the machine may be busy with other tests.
    const times: number[] = [];
    for (let i = 0; i < 3; i++) {
      await demo.page.reload();
      await demo.question.waitFor();
      times.push(await demo.page.evaluate(() => performance.now()));
    }
    expect(Math.min(...times)).toBeLessThan(1000);
  });

  it("invites to begin, and nothing is wrong with it", async () => {
    await fresh();
    await demo.page.getByRole("heading", { name: "Show me something." }).waitFor();
    expect(await demo.page.locator(".example").count()).toBe(6);
    expect(await demo.audit("empty")).toEqual([]);
  });

  it("shows where to drop while files are dragged over it", async () => {
    await fresh();
    await demo.page.evaluate(() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([], "a.png", { type: "image/png" }));
      document.body.dispatchEvent(new DragEvent("dragenter", { dataTransfer, bubbles: true, cancelable: true }));
    });
    await demo.page.getByText("Drop to ask about it").waitFor();
    expect(await demo.audit("dragging")).toEqual([]);
    await demo.page.evaluate(() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([], "a.png", { type: "image/png" }));
      document.body.dispatchEvent(new DragEvent("dragleave", { dataTransfer, bubbles: true }));
    });
    await demo.page.getByText("Drop to ask about it").waitFor({ state: "hidden" });
  });

  it("waits for a model that is loading (a 503, given here), and asks again by itself", async () => {
    await demo.page.route("**/v1/models", (route) => route.fulfill({ status: 503, body: "" }));
    await fresh();
    await demo.page.getByText("The model is loading.").waitFor();
    expect(await demo.audit("loading")).toEqual([]);
    await demo.page.unroute("**/v1/models");
    await demo.page.getByText("The model is loading.").waitFor({ state: "hidden" });
    await demo.button("Model: mini").waitFor();
    expect(new Set(demo.problems.splice(0))).toEqual(new Set(["Failed to load resource: the server responded with a status of 503 (Service Unavailable)"]));
  });

  it("answers about a picture that is dropped on it", async () => {
    await fresh();
    await demo.give("drop", { name: "crabs.png", type: "image/png", bytes: await readFile(example("crabs.png")) });
    await demo.page.getByRole("img", { name: "crabs.png" }).first().waitFor();
    await demo.question.fill("What do you see?");
    expect(await demo.audit("composing")).toEqual([]);
    await demo.question.press("Enter");
    await expect.poll(() => demo.answer(0), soon).toBe("I see two crabs.");
    expect(await demo.page.locator(".figures").textContent()).toMatch(/^mini · [\d,.]+ tokens\/s · first token after [\d.]+ m?s$/);
    expect(await demo.ask("Is there a crab?")).toMatch(/^Yes/);
    expect(await demo.ask("Is there a banana?")).toMatch(/^No/);
    expect(await demo.audit("answered")).toEqual([]);
  });

  it("takes pictures that are pasted and several that are chosen, and lets them be taken out", async () => {
    await fresh();
    await demo.give("paste", { name: "image.png", type: "image/png", bytes: await readFile(example("penguins.png")) });
    await demo.page.locator(".tray img").first().waitFor();
    await demo.page.locator("input[type=file][multiple]").setInputFiles([example("scene.png"), example("sunflower-and-deer.png")]);
    await demo.page.locator(".tray img").nth(2).waitFor();
    await demo.button("Remove image.png").click();
    await demo.button("Remove scene.png").click();
    expect(await demo.page.locator(".tray img").count()).toBe(1);
    // Sent without a word, the usual question is asked.
    await demo.button("Send").click();
    await expect.poll(() => demo.answer(0), soon).toBe("I see a sunflower and a deer.");
    expect(await demo.page.locator(".question-text").textContent()).toBe("What do you see?");
  });

  it("asks about two pictures at once, and looks closer at the one that is chosen", async () => {
    await fresh();
    await demo.choose("crabs.png", "penguins.png");
    const sending = demo.page.waitForRequest(/chat\/completions/);
    await demo.question.fill("What do you see?");
    await demo.question.press("Enter");
    const { messages } = (await sending).postDataJSON() as { messages: { content: { type: string }[] }[] };
    expect(messages[0]?.content.map(({ type }) => type)).toEqual(["image_url", "image_url", "text"]);
    await expect.poll(() => demo.answer(0), soon).toMatch(/^I see/);
    await demo.button("Look closer at crabs.png").click();
    expect(await demo.page.locator(".viewed").getByRole("img").getAttribute("alt")).toBe("crabs.png");
    expect(await demo.page.locator(".plate img").count()).toBe(2);
  });

  it("says so when what is dropped is no picture, or one that cannot be read", async () => {
    await fresh();
    await demo.give("drop", { name: "notes.txt", type: "text/plain", bytes: Buffer.from("hello") });
    await demo.page.getByText("Only pictures can be dropped here.").waitFor();
    await demo.give("drop", { name: "broken.png", type: "image/png", bytes: Buffer.from("not a picture") });
    await expect.poll(() => demo.page.getByRole("alert").textContent(), soon).toBe("“broken.png” could not be read as a picture.");
  });

  it("scales a large picture down before it is sent", async () => {
    await fresh();
    const large = await demo.page.evaluate(async () => {
      const canvas = new OffscreenCanvas(5000, 2500);
      const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
      context.fillStyle = "#386";
      context.fillRect(0, 0, 5000, 2500);
      return [...new Uint8Array(await (await canvas.convertToBlob({ type: "image/jpeg" })).arrayBuffer())];
    });
    await demo.give("drop", { name: "large.jpg", type: "image/jpeg", bytes: Uint8Array.from(large) });
    await demo.page.locator(".tray img").waitFor();
    const sending = demo.page.waitForRequest(/chat\/completions/);
    await demo.button("Send").click();
    const { messages } = (await sending).postDataJSON() as { messages: { content: { image_url?: { url: string } }[] }[] };
    const url = messages[0]?.content[0]?.image_url?.url ?? "";
    const size = await demo.page.evaluate(async (url) => {
      const image = new Image();
      image.src = url;
      await image.decode();
      return [image.naturalWidth, image.naturalHeight];
    }, url);
    expect(url).toMatch(/^data:image\/jpeg;base64,/);
    expect(size).toEqual([2048, 1024]);
    await demo.answer(0);
  });

  it("photographs with the camera", async () => {
    await fresh();
    await demo.button("Take a picture").click();
    await expect.poll(() => demo.button("Take picture").isEnabled(), soon).toBe(true);
    expect(await demo.audit("camera")).toEqual([]);
    await demo.button("Take picture").click();
    await demo.page.locator(".tray img").waitFor();
    expect(await demo.page.getByRole("dialog").count()).toBe(0);
    await demo.button("Send").click();
    await expect.poll(() => demo.answer(0), soon).not.toBe("");
  });

  /** Mini says little and fast: here it is told to go on when it is done, over a slow network, so that there is something to stop. */
  const longAnswers = async (): Promise<void> => {
    await demo.page.route("**/v1/chat/completions", (route) => route.continue({ postData: { ...(route.request().postDataJSON() as object), ignore_eos: true, max_tokens: 3500, temperature: 0 } }));
    await demo.slowDown(20_000);
  };
  const usualAnswers = async (): Promise<void> => {
    await demo.page.unroute("**/v1/chat/completions");
    await demo.slowDown(-1);
  };

  it("stops an answer where it is, and answers the next question", async () => {
    await fresh();
    await longAnswers();
    await demo.choose("scene.png");
    await demo.question.fill("What do you see?");
    await demo.question.press("Enter");
    await demo.page.locator(".answer.writing .prose").waitFor();
    expect(await demo.audit("writing")).toEqual([]);
    expect(await demo.page.getByRole("log").getAttribute("aria-busy")).toBe("true");
    await demo.button("Stop").click();
    await demo.page.getByText("Stopped here.").waitFor();
    const stopped = await demo.answer(0);
    expect(stopped).toMatch(/^I see an airplane/);
    await usualAnswers();
    expect(await demo.audit("stopped")).toEqual([]);
    expect(await demo.page.locator(".answer").textContent()).toContain(stopped);
    await demo.button("New conversation").click();
    await demo.choose("crabs.png");
    expect(await demo.ask("What do you see?")).toBe("I see two crabs.");
  });

  it("says when an answer has reached the length that is allowed", async () => {
    await fresh();
    await demo.choose("scene.png");
    await demo.page.route("**/v1/chat/completions", (route) => route.continue({ postData: { ...(route.request().postDataJSON() as object), max_tokens: 4 } }));
    expect("I see an airplane, a hamburger and a sailboat.").toContain(await demo.ask("What do you see?"));
    await demo.page.unroute("**/v1/chat/completions");
    await demo.page.getByText("Cut at the length that the settings allow.").waitFor();
  });

  it("stops on Escape, and has the question answered again", async () => {
    await fresh();
    await longAnswers();
    await demo.choose("scene.png");
    await demo.question.fill("What do you see?");
    await demo.question.press("Enter");
    await demo.page.locator(".answer.writing .prose").waitFor();
    await demo.question.press("Escape");
    await demo.page.getByText("Stopped here.").waitFor();
    await usualAnswers();
    await demo.button("Answer again").click();
    await expect.poll(() => demo.answer(0), soon).toBe("I see an airplane, a hamburger and a sailboat.");
    await expect.poll(() => demo.answers.count(), soon).toBe(1);
    await expect.poll(() => demo.focused(), soon).toBe("Your question");
  });

  it("keeps what there was of an answer when the page is reloaded while it is written", async () => {
    await fresh();
    await longAnswers();
    await demo.choose("scene.png");
    await demo.question.fill("What do you see?");
    await demo.question.press("Enter");
    // It is written about once a second.
    await expect.poll(() => demo.lastKeptText(), soon).toMatch(/^I see an airplane/);
    // The network stays slow until the old page is gone: at full speed the rest of the answer would come first.
    await demo.page.reload({ waitUntil: "commit" });
    await usualAnswers();
    await demo.page.getByText("Stopped here.").waitFor();
    await expect.poll(() => demo.answer(0), soon).toMatch(/^I see an airplane/);
  });

  it("shows in one tab what was asked in another", async () => {
    await fresh();
    const other = await demo.otherTab();
    await demo.choose("penguins.png");
    await demo.ask("Are there any penguins?");
    await other.getByRole("button", { name: "Are there any penguins?", exact: true }).click();
    await expect.poll(() => other.locator(".prose").textContent(), soon).toMatch(/^Yes/);
    await other.locator(".plate img").waitFor();
    await other.close();
  });

  it("works, and says that nothing is kept, where the browser has no IndexedDB (taken away here)", async () => {
    const other = await demo.otherTab(() => Object.defineProperty(window, "indexedDB", { value: undefined }));
    await other.getByText("Conversations cannot be kept").waitFor();
    await other.locator(".example").first().click();
    await expect.poll(() => other.locator(".answer.complete .prose").textContent(), soon).toBe("I see an airplane, a hamburger and a sailboat.\n");
    await other.close();
  });

  it("keeps conversations with their pictures over a reload, and goes back and forth between them", async () => {
    await fresh();
    await demo.choose("penguins.png");
    await demo.ask("What do you see?");
    const address = demo.page.url();
    await demo.button("New conversation").click();
    await demo.page.getByRole("heading", { name: "Show me something." }).waitFor();
    await demo.page.goBack();
    expect(demo.page.url()).toBe(address);
    await demo.page.reload();
    await expect.poll(() => demo.answer(0), soon).toBe("I see three penguins.");
    await demo.page.locator(".plate img").waitFor();
    expect(await demo.page.locator(".plate img").evaluate((image: HTMLImageElement) => image.decode().then(() => image.naturalWidth))).toBe(384);
    // What was seen before the reload is still known to the model.
    expect(await demo.ask("Is there a penguin in the photo?")).toMatch(/^Yes/);
    await demo.page.getByRole("searchbox", { name: "Search conversations" }).fill("PENGUIN photo");
    await expect.poll(() => demo.page.locator(".row").count(), soon).toBe(1);
    await demo.page.getByRole("searchbox", { name: "Search conversations" }).fill("nothing like it");
    await demo.page.getByText("Nothing found for “nothing like it”.").waitFor();
  });

  it("asks a question again in other words; what came after it goes", async () => {
    await fresh();
    await demo.choose("sunflower-and-deer.png");
    await demo.ask("Is there a deer?");
    await demo.ask("Is there a bus?");
    await demo.button("Edit").first().click();
    const editor = demo.page.getByRole("textbox", { name: "The question" });
    expect(await editor.inputValue()).toBe("Is there a deer?");
    expect(await demo.audit("editing")).toEqual([]);
    await editor.fill("What do you see?");
    await editor.press("Enter");
    await expect.poll(() => demo.page.locator(".question-text").allTextContents(), soon).toEqual(["What do you see?"]);
    await expect.poll(() => demo.answer(0), soon).toBe("I see a sunflower and a deer.");
    await expect.poll(() => demo.answers.count(), soon).toBe(1);
    await expect.poll(() => demo.focused(), soon).toBe("Your question");
    await demo.button("Edit").click();
    await editor.press("Escape");
    await expect.poll(() => demo.focused(), soon).toBe("Edit");
  });

  it("copies an answer", async () => {
    await fresh();
    await demo.choose("crabs.png");
    await demo.ask("What do you see?");
    await demo.button("Copy").click();
    await demo.button("Copied").waitFor();
    expect(await demo.page.evaluate(() => navigator.clipboard.readText())).toBe("I see two crabs.");
  });

  it("renames, exports and deletes a conversation, and brings it back", async () => {
    await fresh();
    await demo.choose("crabs.png");
    await demo.ask("What do you see?");
    const options = demo.page.locator(".row .icon-button").first();
    await demo.page.locator(".header").getByRole("button", { name: /^Options of/ }).click();
    expect(await demo.audit("options")).toEqual([]);
    await demo.page.keyboard.press("Escape");
    await options.click();
    await demo.button("Rename").click();
    const name = demo.page.getByRole("textbox", { name: "Name of the conversation" });
    await name.fill("Crabs on grey");
    await name.press("Enter");
    await demo.page.getByRole("heading", { name: "Crabs on grey" }).waitFor();
    await expect.poll(() => demo.focused(), soon).toBe("Options of Crabs on grey");

    const exported = async (kind: string): Promise<{ name: string; text: string }> => {
      await options.click();
      const [download] = await Promise.all([demo.page.waitForEvent("download"), demo.button(`Export as ${kind}`).click()]);
      return { name: download.suggestedFilename(), text: await readFile(await download.path(), "utf8") };
    };
    const json = await exported("JSON");
    const { messages } = JSON.parse(json.text) as { messages: [{ pictures: [{ data: string }] }, { text: string }] };
    expect([json.name, messages[1].text]).toEqual(["crabs-on-grey.json", "I see two crabs."]);
    expect(Buffer.from(messages[0].pictures[0].data.replace("data:image/png;base64,", ""), "base64").equals(await readFile(example("crabs.png")))).toBe(true);
    const markdown = await exported("Markdown");
    expect(markdown.name).toBe("crabs-on-grey.md");
    expect(markdown.text).toMatch(/^# Crabs on grey\n[\s\S]*\*\*mini\*\*\n\nI see two crabs\.\n/);

    const before = await demo.page.locator(".row").count();
    await options.click();
    await demo.button("Delete").click();
    await demo.page.getByText("Deleted “Crabs on grey”.").waitFor();
    expect(await demo.page.locator(".row").count()).toBe(before - 1);
    // Somebody who is about to use it keeps the notice there.
    await demo.button("Undo").focus();
    expect(await demo.audit("deleted")).toEqual([]);
    await demo.button("Undo").click();
    await demo.page.getByRole("heading", { name: "Crabs on grey" }).waitFor();
    await demo.page.reload();
    await demo.page.locator(".plate img").waitFor();
    await expect.poll(() => demo.answer(0), soon).toBe("I see two crabs.");
    await options.click();
    await demo.button("Delete").click();
    await demo.page.getByText("Deleted “Crabs on grey”.").waitFor();
    await demo.page.reload();
    await demo.page.locator(".list section, .list-empty").first().waitFor();
    expect(await demo.page.getByText("Crabs on grey").count()).toBe(0);
  });

  it("shows how well words fit a picture, none of them, and where a word is found", async () => {
    await fresh();
    await demo.choose("scene.png");
    const words = demo.page.getByRole("textbox", { name: "Words to look for" });
    const tags = async (): Promise<Record<string, string>> => Object.fromEntries(await demo.page.locator(".tag-button").evaluateAll((all) => all.map((one) => [one.querySelector(".tag-name")?.textContent, one.querySelector(".tag-number")?.textContent])));
    for (const label of Object.keys(await tags())) await demo.button(`Remove ${label}`).click();
    await words.pressSequentially("hamburger, crab");
    await words.press("Enter");
    await expect.poll(async () => Number.parseFloat((await tags())["hamburger"] ?? ""), soon).toBeGreaterThan(80);
    expect(Object.keys(await tags())).toEqual(["hamburger", "crab"]);
    await expect.poll(async () => (await tags())["crab"], soon).toMatch(/^(under 0\.1|\d\.\d)%$/);
    expect(await demo.page.getByText("None of the above.").count()).toBe(0);

    const openView = async (): Promise<void> => {
      await demo.button("SigLIP's view").click();
      await demo.page.locator(".tag-button").first().waitFor();
      if ((await demo.button(/^hamburger/).count()) > 0) await demo.page.locator(".heat").waitFor();
    };
    // The hamburger stands at the lower middle of examples/scene.png.
    await demo.button(/^hamburger/).click();
    await demo.page.getByRole("img", { name: "Where “hamburger” is found: lower centre" }).waitFor();
    const heat = await demo.page.locator(".heat").evaluate((canvas: HTMLCanvasElement) => {
      const { data, width, height } = (canvas.getContext("2d") as CanvasRenderingContext2D).getImageData(0, 0, canvas.width, canvas.height);
      const mean = (x0: number, y0: number): number => {
        let sum = 0;
        for (let y = y0; y < y0 + height / 4; y++) for (let x = x0; x < x0 + width / 4; x++) sum += data[(Math.floor(y) * width + Math.floor(x)) * 4 + 3] ?? 0;
        return sum / ((width * height) / 16);
      };
      return { lower: mean(width * 0.4, height * 0.7), upper: mean(width * 0.1, height * 0.05) };
    });
    expect(heat.lower).toBeGreaterThan(4 * heat.upper);
    expect(await demo.audit("heat", openView)).toEqual([]);

    await demo.button("Remove hamburger").click();
    await demo.page.getByText("None of the above.").waitFor();
    expect(await demo.audit("none-of-the-above", openView)).toEqual([]);
  });

  it("shows a tall picture in its own shape, the heat exactly over it", async () => {
    await fresh();
    const tall = await demo.page.evaluate(async () => {
      const canvas = new OffscreenCanvas(300, 1200);
      const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
      for (const [at, colour] of ["#c33", "#3c3", "#33c"].entries()) {
        context.fillStyle = colour;
        context.fillRect(0, at * 400, 300, 400);
      }
      return [...new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer())];
    });
    await demo.give("drop", { name: "tall.png", type: "image/png", bytes: Uint8Array.from(tall) });
    await demo.page.locator(".tag-button").first().click();
    await demo.page.locator(".heat").waitFor();
    const [picture, heat] = await Promise.all([".viewed-picture img", ".heat"].map((part) => demo.page.locator(part).boundingBox()));
    expect(heat).toEqual(picture);
    expect((picture?.height ?? 0) / (picture?.width ?? 1)).toBeCloseTo(4, 1);
    expect(await demo.audit("tall")).toEqual([]);
  });

  it("names a failure of the server where the answer would be, and tries again", async () => {
    await fresh();
    await demo.choose("crabs.png");
    await demo.page.route("**/v1/chat/completions", (route) => route.continue({ postData: { ...(route.request().postDataJSON() as object), temperature: 99 } }));
    expect(await demo.ask("What do you see?")).toContain("temperature");
    expect(await demo.audit("failed")).toEqual([]);
    await demo.page.unroute("**/v1/chat/completions");
    expect(demo.problems.splice(0)).toEqual([expect.stringContaining("400 (Bad Request)")]);
    await demo.button("Try again").click();
    await expect.poll(() => demo.answer(0), soon).toBe("I see two crabs.");
  });

  it("uses its settings, keeps them, and changes its looks", async () => {
    await fresh();
    await demo.button("Settings").click();
    expect(await demo.audit("settings")).toEqual([]);
    await demo.page.getByRole("slider", { name: "Temperature" }).fill("0.3");
    await demo.page.getByRole("slider", { name: "Longest answer" }).fill("0");
    await demo.page.getByRole("textbox", { name: "System prompt" }).fill("Look closely.");
    await demo.page.getByRole("radio", { name: "High" }).check({ force: true });
    await demo.page.getByRole("radio", { name: "Dark" }).check({ force: true });
    await demo.button("Done").click();
    await demo.page.reload();
    expect(await demo.page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)).toBe("dark");
    await demo.choose("scene.png");
    const sending = demo.page.waitForRequest(/chat\/completions/);
    await demo.ask("What do you see?");
    const sent = (await sending).postDataJSON() as { messages: { content: { image_url: { detail: string } }[] }[] };
    expect(sent).toMatchObject({ model: "mini", temperature: 0.3, max_tokens: 16, messages: [{ role: "system", content: "Look closely." }, { role: "user" }] });
    expect(sent.messages[1]?.content[0]?.image_url.detail).toBe("high");
    await demo.button("Light appearance").click();
    expect(await demo.page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)).toBe("light");
    await demo.button("Settings").click();
    await demo.button("Reset").click();
    await demo.button("Done").click();
  });

  it("lists the models, and loads the one that is chosen", async () => {
    await fresh();
    await demo.button(/^Model: mini/).click();
    expect(await demo.button(/^mini\b/).getAttribute("aria-pressed")).toBe("true");
    expect(await demo.button(/^twin/).textContent()).toBe("twinnot loaded yet");
    expect(await demo.audit("models")).toEqual([]);
    await demo.button(/^twin/).click();
    await demo.button("Model: twin").waitFor();
    await demo.choose("crabs.png");
    expect(await demo.ask("What do you see?")).toBe("I see two crabs.");
    expect(await demo.page.locator(".figures").textContent()).toMatch(/^twin · /);
    // It is remembered.
    await demo.page.reload();
    await demo.button("Model: twin").click();
    await demo.button(/^mini\b/).click();
    await demo.button("Model: mini").waitFor();
  });

  it("works by keyboard alone", async () => {
    await fresh();
    const { page } = demo;
    expect(await page.evaluate(() => document.querySelector("a, button, input, textarea, [tabindex]")?.textContent)).toBe("Skip to the question");
    await page.locator(".skip").focus();
    await page.keyboard.press("Enter");
    await expect.poll(() => demo.focused(), soon).toBe("Your question");
    for (let presses = 0; presses < 40 && (await demo.focused()) !== "What do you see?"; presses++) await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Enter");
    await expect.poll(() => demo.answer(0), soon).toBe("I see an airplane, a hamburger and a sailboat.");
    await expect.poll(() => demo.focused(), soon).toBe("Your question");
    await page.keyboard.type("Is there a sailboat?");
    await page.keyboard.press("Enter");
    await expect.poll(() => demo.answer(1), soon).toMatch(/^Yes/);
  });

  it("opens its list over the page on a phone, keeps the focus there, and gives it back", async () => {
    await demo.page.setViewportSize({ width: 375, height: 760 });
    await fresh();
    await demo.button("Conversations").click();
    await demo.page.getByRole("navigation", { name: "Conversations" }).waitFor();
    expect(await demo.page.locator("main").getAttribute("inert")).not.toBeNull();
    await demo.page.keyboard.press("Escape");
    expect(await demo.page.getByRole("navigation", { name: "Conversations" }).count()).toBe(0);
    await expect.poll(() => demo.focused(), soon).toBe("Conversations");
    expect(await demo.audit("list", () => demo.button("Conversations").click())).toEqual([]);
  });

  it("says that the server is gone, keeps what was written, and goes on when it is back", async () => {
    await fresh();
    expect(await server.stop()).toBe(130);
    await demo.choose("crabs.png");
    expect(await demo.ask("What do you see?")).toBe("The server does not answer. Is it still running?");
    await demo.page.getByText("Start it again with npm start").waitFor();
    await demo.question.fill("Is there a crab?");
    expect(await demo.button("Send").isDisabled()).toBe(true);
    expect(await demo.audit("unreachable")).toEqual([]);
    server = await startDemo("--port", new URL(server.url).port, ...twoModels);
    await expect.poll(() => demo.page.getByText("Start it again with npm start").count(), soon).toBe(0);
    await demo.button("Try again").first().click();
    await expect.poll(() => demo.answer(0), soon).toBe("I see two crabs.");
    expect(await demo.question.inputValue()).toBe("Is there a crab?");
    expect(new Set(demo.problems.splice(0))).toEqual(new Set(["Failed to load resource: net::ERR_CONNECTION_REFUSED"]));
  });
});
