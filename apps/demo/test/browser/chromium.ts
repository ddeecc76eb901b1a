import { existsSync } from "node:fs";
import { chromium, type BrowserContext } from "playwright-core";

const program = process.env["SIGHTLINE_CHROMIUM"] ?? "/usr/bin/chromium";
const missing = !existsSync(program);

if (missing) {
  const reason = `there is no Chromium at ${program}: apt-get install -y chromium, or name one in SIGHTLINE_CHROMIUM`;
  if (process.env["SIGHTLINE_BROWSER_TESTS"] === "required") throw new Error(`the tests of the demo's page must not be skipped, and ${reason}`);
  console.warn(`\nSKIPPED: the tests of the demo's page, because ${reason}\n`);
}

/** Whether there is no browser, so that tests in one are skipped; that was said on the console. */
export const withoutChromium: boolean = missing;

/** A browser whose profile lies in a folder, so that what it keeps can be met again. */
export function openBrowser(profile: string): Promise<BrowserContext> {
  return chromium.launchPersistentContext(profile, {
    executablePath: program,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
    viewport: { width: 1360, height: 860 },
    reducedMotion: "reduce",
    acceptDownloads: true,
    permissions: ["camera", "clipboard-read", "clipboard-write"],
  });
}
