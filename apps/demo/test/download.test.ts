import { setTimeout as wait } from "node:timers/promises";
import { startServer, type RunningServer } from "@sightline/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildPage } from "./browser/build-page";
import { withoutChromium } from "./browser/chromium";
import { DemoPage } from "./browser/demo-page";
import { soon } from "./browser/soon";

const megabyte = 1e6;

describe.skipIf(withoutChromium)("the model picker, on the real server, with a fetch that only counts to 40 MB and then gives mini", () => {
  let server: RunningServer;
  let demo: DemoPage;
  /** Megabytes that the fetch has reached, and how far it may go for now; why it fails, if it does. */
  const fetched: { reached: number; allowed: number; failure?: Error } = { reached: 0, allowed: 0 };

  beforeAll(async () => {
    const page = await buildPage("download-page");
    server = await startServer({
      port: 0,
      models: [{ name: "mini", path: "mini" }],
      staticDirectory: page,
      pullableModels: ["owner/small"],
      pullModel: async (name, { onProgress, signal }) => {
        for (let loaded = 0; loaded <= 40; loaded += 10) {
          while (loaded > fetched.allowed) {
            if (fetched.failure) throw fetched.failure;
            await wait(5, undefined, { signal });
          }
          fetched.reached = loaded;
          onProgress({ status: "downloading", file: "model.gguf", loadedBytes: loaded * megabyte, totalBytes: 40 * megabyte });
        }
        return { name, path: "mini" };
      },
    });
    demo = await DemoPage.open(server.url);
  });

  afterAll(async () => {
    await demo?.close();
    await server?.close();
  });

  const small = (): ReturnType<DemoPage["button"]> => demo.button(/^small/);

  it("tells how far a download is, can be cancelled, says why one failed, and uses the model once it is there", async () => {
    const { page } = demo;
    fetched.allowed = 10;
    await demo.button("Model: mini").click();
    await small().click();
    await page.getByText("10 MB of 40 MB").waitFor();
    const progress = page.getByRole("progressbar", { name: "Downloading owner/small" });
    expect(await progress.evaluate((bar: HTMLProgressElement) => bar.value)).toBe(0.25);
    expect(await demo.audit("downloading")).toEqual([]);

    await demo.button("Cancel downloading owner/small").click();
    await expect.poll(() => progress.count(), soon).toBe(0);
    expect(await demo.button("Model: mini").count()).toBe(1);

    await small().click();
    await page.getByText("10 MB of 40 MB").waitFor();
    fetched.failure = new Error("the disk is full");
    await page.getByRole("alert").waitFor();
    expect(await demo.audit("download-failed")).toEqual([]);
    delete fetched.failure;

    fetched.allowed = 40;
    await demo.button("Try again").click();
    await demo.button("Model: small").waitFor();
    expect(fetched.reached).toBe(40);
    await page.keyboard.press("Escape");
    await demo.choose("penguins.png");
    expect(await demo.ask("What do you see?")).toBe("I see three penguins.");
    expect(await page.locator(".figures").textContent()).toMatch(/^owner\/small · /);
    expect([demo.problems, demo.foreignRequests]).toEqual([[], []]);
  });

  it("offers no view of SigLIP where the server has none", async () => {
    await demo.page.locator(".plate img").first().waitFor();
    expect(await demo.button("SigLIP's view").count()).toBe(0);
    expect(await demo.page.getByRole("complementary").count()).toBe(0);
  });
});
