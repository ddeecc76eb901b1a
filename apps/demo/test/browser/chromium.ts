import { existsSync } from "node:fs";
import { chromium, type BrowserContext } from "playwright-core";

const found = [process.env["SIGHTLINE_CHROMIUM"], "/usr/bin/chromium"].find((path) => path !== undefined && path !== "" && existsSync(path));

if (found === undefined) {
  const missing = "The page's tests need Chromium: apt-get install -y chromium, or name one in SIGHTLINE_CHROMIUM.";
  if (process.env["SIGHTLINE_BROWSER_TESTS"] === "required") throw new Error(missing);
  console.warn(`\nSKIPPED: the tests of the demo's page in a browser. ${missing}\n`);
}

/** Whether there is no browser, so that tests in one are skipped; that was said on the console. */
export const withoutChromium: boolean = found === undefined;

/** A browser whose profile lies in a folder, so that what it keeps can be met again. */
export function openBrowser(profile: string): Promise<BrowserContext> {
  return chromium.launchPersistentContext(profile, {
    executablePath: found as string,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
    viewport: { width: 1360, height: 860 },
    reducedMotion: "reduce",
    acceptDownloads: true,
    permissions: ["camera", "clipboard-read", "clipboard-write"],
  });
}
