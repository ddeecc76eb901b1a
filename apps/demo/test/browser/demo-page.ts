import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { BrowserContext, CDPSession, Locator, Page } from "playwright-core";
import { openBrowser } from "./chromium";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
/** Ignored by git. */
const screenshots = fileURLToPath(new URL("../../dist/screenshots/", import.meta.url));

export const example = (name: string): string => path.join(root, "examples", name);

const looks = [
  // What changes with the colours alone is looked for in light and dark, all else once a width.
  { name: "desktop-light", width: 1360, height: 860, colorScheme: "light", rules: undefined },
  { name: "desktop-dark", width: 1360, height: 860, colorScheme: "dark", rules: ["color-contrast", "link-in-text-block"] },
  { name: "phone-dark", width: 375, height: 760, colorScheme: "dark", rules: undefined },
  { name: "phone-light", width: 375, height: 760, colorScheme: "light", rules: ["color-contrast", "link-in-text-block"] },
] as const;

interface Violation {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly target: unknown; readonly failureSummary?: string }[];
}

/** The demo's page in a browser of its own, watched: what it logs and asks for is kept. */
export class DemoPage {
  readonly page: Page;
  readonly problems: string[] = [];
  readonly foreignRequests: string[] = [];
  #context: BrowserContext;
  #network: CDPSession | undefined;
  readonly #url: string;
  readonly #profile: string;
  readonly #axe: string;

  private constructor(context: BrowserContext, url: string, profile: string, axe: string) {
    this.#context = context;
    this.page = context.pages()[0] as Page;
    this.#url = url;
    this.#profile = profile;
    this.#axe = axe;
    this.page.on("console", (message) => message.type() === "error" && this.problems.push(message.text()));
    this.page.on("pageerror", (error) => this.problems.push(String(error)));
    context.on("request", (request) => {
      const { protocol, origin } = new URL(request.url());
      if (!["data:", "blob:"].includes(protocol) && origin !== new URL(url).origin) this.foreignRequests.push(request.url());
    });
  }

  static async open(url: string): Promise<DemoPage> {
    const profile = await mkdtemp(path.join(tmpdir(), "sightline-page-"));
    await mkdir(screenshots, { recursive: true });
    const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    const opened = new DemoPage(await openBrowser(profile), url, profile, axe);
    await opened.load();
    return opened;
  }

  /** The page as it is first met, or met again: it keeps what the browser keeps. */
  async load(address = "/"): Promise<void> {
    await this.page.goto(new URL(address, this.#url).href);
    await this.page.getByRole("textbox", { name: "Your question" }).waitFor();
  }

  async close(): Promise<void> {
    await this.#context.close();
    await rm(this.#profile, { recursive: true, force: true });
  }

  get question(): Locator {
    return this.page.getByRole("textbox", { name: "Your question" });
  }

  get answers(): Locator {
    return this.page.getByRole("article", { name: "Answer" });
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole("button", typeof name === "string" ? { name, exact: true } : { name });
  }

  /** Bytes a second that the page gets from now on; -1: as many as there are. */
  async slowDown(bytes: number): Promise<void> {
    // One session for all: what an earlier one asked for would go on beside a later one.
    this.#network ??= await this.#context.newCDPSession(this.page);
    await this.#network.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: bytes, uploadThroughput: -1 });
  }

  /** The page in another tab of the same browser; `before` runs in it first. */
  async otherTab(before?: () => void): Promise<Page> {
    const page = await this.#context.newPage();
    if (before) await page.addInitScript(before);
    await page.goto(this.#url);
    await page.getByRole("textbox", { name: "Your question" }).waitFor();
    return page;
  }

  /** The last message of the conversation that was last changed, as it lies in IndexedDB. */
  lastKeptText(): Promise<string> {
    return this.page.evaluate(
      () =>
        new Promise<string>((resolve, reject) => {
          const opening = indexedDB.open("sightline");
          opening.addEventListener("error", () => reject(opening.error));
          opening.addEventListener("success", () => {
            const reading = opening.result.transaction("conversations").objectStore("conversations").index("updatedAt").openCursor(undefined, "prev");
            reading.addEventListener("success", () => {
              const last = reading.result?.value as { readonly messages: readonly { readonly text: string }[] } | undefined;
              opening.result.close();
              resolve(last?.messages.at(-1)?.text ?? "");
            });
          });
        }),
    );
  }

  /** The name of what has the focus. */
  focused(): Promise<string> {
    return this.page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent?.trim() ?? "");
  }

  /** Asks, and gives the answer once it is whole. */
  async ask(text: string): Promise<string> {
    const before = await this.answers.count();
    await this.question.fill(text);
    await this.question.press("Enter");
    return this.answer(before);
  }

  /** The text of an answer once it is no longer written. */
  async answer(index: number): Promise<string> {
    const answer = this.answers.nth(index);
    await answer.locator(".answer-foot, .failure").waitFor();
    return (await answer.locator(".prose, .failure p").first().textContent())?.trim() ?? "";
  }

  async choose(...files: string[]): Promise<void> {
    await this.page.locator("input[type=file][multiple]").setInputFiles(files.map(example));
    await this.page.locator(".tray img").nth(files.length - 1).waitFor();
  }

  /** Drops files on the page, or pastes them into it, as a browser tells it. */
  async give(type: "drop" | "paste", ...files: { readonly name: string; readonly type: string; readonly bytes: Uint8Array }[]): Promise<void> {
    const given = files.map(({ name, type, bytes }) => ({ name, type, base64: Buffer.from(bytes).toString("base64") }));
    await this.page.evaluate(
      ([event, given]) => {
        const data = new DataTransfer();
        for (const { name, type, base64 } of given) data.items.add(new File([Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))], name, { type }));
        const target = document.querySelector("main") as HTMLElement;
        if (event === "paste") target.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
        else for (const step of ["dragenter", "dragover", "drop"]) target.dispatchEvent(new DragEvent(step, { dataTransfer: data, bubbles: true, cancelable: true }));
      },
      [type, given] as const,
    );
  }

  /**
   * What axe finds wrong with the page as it is, at a desk and on a phone, light and dark, a line each; a picture of each is
   * kept. `onPhone` opens what the phone has no room for.
   */
  async audit(state: string, onPhone: () => Promise<void> = async () => {}): Promise<string[]> {
    const found: string[] = [];
    for (const { name, width, height, colorScheme, rules } of looks) {
      await this.page.setViewportSize({ width, height });
      await this.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      if (name === "phone-dark") await onPhone();
      await this.page.screenshot({ path: path.join(screenshots, `${state}-${name}.png`) });
      const violations = await this.violations(rules);
      found.push(...violations.flatMap(({ id, help, nodes }) => nodes.map(({ target, failureSummary }) => `${state}, ${name}: ${id}: ${help}: ${JSON.stringify(target)} ${failureSummary ?? ""}`)));
      const overflow = await this.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (overflow > 0) found.push(`${state}, ${name}: ${overflow} px wider than the screen`);
    }
    await this.page.setViewportSize({ width: 1360, height: 860 });
    await this.page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
    return found;
  }

  private async violations(rules: readonly string[] | undefined): Promise<readonly Violation[]> {
    if (!(await this.page.evaluate(() => "axe" in window))) await this.page.evaluate(this.#axe);
    return this.page.evaluate(async (rules) => {
      const { axe } = window as unknown as { axe: { run: (options: object) => Promise<{ violations: Violation[] }> } };
      return (await axe.run({ resultTypes: ["violations"], ...(rules ? { runOnly: rules } : {}) })).violations;
    }, rules);
  }
}
