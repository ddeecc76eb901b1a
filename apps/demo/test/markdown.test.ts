import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundle } from "./browser/bundle";
import { openBrowser, withoutChromium } from "./browser/chromium";

declare const subject: { renderMarkdown: (text: string) => string };

/** Text that a model may be made to write, by a picture or a page that it was shown. */
const attacks: readonly string[] = [
  "<script>window.hit = 1</script>",
  "<img src=x onerror='window.hit = 1'>",
  "<img src='http://elsewhere.test/pixel.png'>",
  "![a](http://elsewhere.test/pixel.png)",
  "![a](//elsewhere.test/pixel.png 'title')",
  "![a][1]\n\n[1]: http://elsewhere.test/pixel.png",
  "![a](data:image/svg+xml,<svg/onload=window.hit=1>)",
  "[a](javascript:window.hit=1)",
  "[a](JaVaScRiPt:window.hit=1)",
  "[a](java\nscript:window.hit=1)",
  "[a](&#106;avascript:window.hit=1)",
  "[a](\u0001javascript:window.hit=1)",
  "[a](vbscript:window.hit=1)",
  "[a](data:text/html,<script>window.hit=1</script>)",
  "[a](file:///etc/passwd)",
  "[a](blob:http://localhost/x)",
  "<javascript:window.hit=1>",
  "[a](http://x\" onmouseover=\"window.hit=1)",
  "[a](http://x 'y\" onfocus=\"window.hit=1\" autofocus=\"')",
  "<a href='javascript:window.hit=1'>a</a>",
  "<svg><animate onbegin=window.hit=1 attributeName=x dur=1s></svg>",
  "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=window.hit=1&gt;\">",
  "<form><math><mtext></form><form><mglyph><style></math><img src onerror=window.hit=1>",
  "<iframe srcdoc='<script>parent.hit=1</script>'></iframe>",
  "<iframe src=http://elsewhere.test></iframe>",
  "<object data=http://elsewhere.test></object><embed src=http://elsewhere.test>",
  "<link rel=stylesheet href=http://elsewhere.test/a.css>",
  "<style>@import 'http://elsewhere.test/a.css'; body { background: url(http://elsewhere.test/b.png) }</style>",
  "<p style='background: url(http://elsewhere.test/b.png)'>a</p>",
  "<meta http-equiv=refresh content='0;url=http://elsewhere.test'>",
  "<base href=http://elsewhere.test>",
  "<form action=http://elsewhere.test><button>a</button></form>",
  "<video poster=http://elsewhere.test/a.png src=http://elsewhere.test/a.mp4 autoplay></video>",
  "<details open ontoggle=window.hit=1>",
  "<input autofocus onfocus=window.hit=1>",
  "<div id=question name=question>clobbered</div>",
  "<template><script>window.hit=1</script></template>",
  "<noscript><p title=\"</noscript><img src=x onerror=window.hit=1>\">",
  "```\"><img src=x onerror=window.hit=1>\ncode\n```",
  "`<img src=x onerror=window.hit=1>`",
  "| a |\n|---|\n| <img src=x onerror=window.hit=1> |",
  "# <img src=x onerror=window.hit=1>",
  "- [ ] <script>window.hit=1</script>",
  "[![a](http://elsewhere.test/p.png)](javascript:window.hit=1)",
  "<http://elsewhere.test/\"onclick=window.hit=1>",
  "http://elsewhere.test/<img src=x onerror=window.hit=1>",
];

describe.skipIf(withoutChromium)("Markdown of a model", () => {
  let profile: string;
  let context: BrowserContext;
  let page: Page;
  const requests: string[] = [];

  beforeAll(async () => {
    profile = await mkdtemp(path.join(tmpdir(), "sightline-markdown-"));
    context = await openBrowser(profile);
    page = await context.newPage();
    // No policy protects this page: what protects it is what is tried.
    await page.route("**/*", (route) => {
      requests.push(route.request().url());
      return route.fulfill(route.request().url() === "http://localhost/" ? { contentType: "text/html", body: "<!doctype html><div id=answer></div>" } : { status: 404 });
    });
    await page.goto("http://localhost/");
    await page.evaluate(await bundle("../../page/src/markdown/render-markdown.ts"));
    requests.length = 0;
  });

  afterAll(async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  });

  /** Shows the text as an answer, uses all that can be used in it, and gives what is there. */
  const show = (text: string): Promise<{ html: string; hit: unknown; names: string[]; attributes: string[]; links: string[] }> =>
    page.evaluate(async (text) => {
      const answer = document.querySelector("#answer") as HTMLElement;
      answer.innerHTML = subject.renderMarkdown(text);
      const all = [...answer.querySelectorAll("*")];
      for (const element of all) for (const type of ["mouseover", "focus", "toggle"]) element.dispatchEvent(new Event(type));
      for (const link of answer.querySelectorAll("a")) {
        link.removeAttribute("target");
        if (link.protocol !== "http:") link.click();
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
      return {
        html: answer.innerHTML,
        hit: (window as { hit?: unknown }).hit,
        names: all.map(({ localName }) => localName),
        attributes: all.flatMap((element) => element.getAttributeNames()),
        links: [...answer.querySelectorAll("a")].map((link) => link.href),
      };
    }, text);

  it.each(attacks)("cannot act: %j", async (attack) => {
    const { hit, names, attributes, links } = await show(`before\n\n${attack}\n\nafter`);
    expect(hit).toBeUndefined();
    expect(requests).toEqual([]);
    const harmless = ["p", "h1", "ul", "li", "a", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "br", "em", "strong"];
    expect(names.filter((name) => !harmless.includes(name))).toEqual([]);
    expect(attributes.filter((name) => !["href", "rel"].includes(name))).toEqual([]);
    for (const link of links) expect(link).toMatch(/^https?:\/\//);
  });

  it("cannot act while it grows, a character at a time", async () => {
    const all = attacks.join("\n\n");
    const bad = await page.evaluate((all) => {
      const answer = document.querySelector("#answer") as HTMLElement;
      for (let end = 1; end <= all.length; end += 3) {
        answer.innerHTML = subject.renderMarkdown(all.slice(0, end));
        const worst = answer.querySelector("img, script, style, iframe, svg, form, input, [onerror], [style], [src]");
        if (worst) return worst.outerHTML;
      }
      return undefined;
    }, all);
    expect(bad).toBeUndefined();
    expect(await page.evaluate(() => (window as { hit?: unknown }).hit)).toBeUndefined();
    expect(requests).toEqual([]);
  });

  it.each([
    ["**bold**, *leaning*, `code`", "<p><strong>bold</strong>, <em>leaning</em>, <code>code</code></p>\n"],
    ["1. one\n2. two", "<ol>\n<li>one</li>\n<li>two</li>\n</ol>\n"],
    ["3. three", '<ol start="3">\n<li>three</li>\n</ol>\n'],
    ["- [x] done", "<ul>\n<li>☑ done</li>\n</ul>\n"],
    ["a < b && c", "<p>a &lt; b &amp;&amp; c</p>\n"],
    ["<b>shown</b>", "<p>&lt;b&gt;shown&lt;/b&gt;</p>\n"],
    ["![two crabs](http://elsewhere.test/p.png)", "<p>two crabs</p>\n"],
    ["one\ntwo", "<p>one<br>two</p>\n"],
  ])("%j becomes %j", async (text, html) => {
    expect((await show(text)).html).toBe(html);
  });

  it("links open elsewhere without telling where from, and without a name or password in them", async () => {
    const html = await page.evaluate(() => subject.renderMarkdown("[bank](https://bank.test:pw@elsewhere.test/a?b=1&c=2) <me@here.test>"));
    expect(html).toBe('<p><a href="https://elsewhere.test/a?b=1&amp;c=2" target="_blank" rel="noopener noreferrer nofollow">bank</a> <a href="mailto:me@here.test" target="_blank" rel="noopener noreferrer nofollow">me@here.test</a></p>\n');
  });
});
