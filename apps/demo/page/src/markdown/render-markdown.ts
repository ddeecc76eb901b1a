import DOMPurify from "dompurify";
import { Marked } from "marked";

/**
 * A model's answer as HTML that cannot act: what it writes as HTML is shown as text, pictures are their descriptions, and
 * links go to http, https and mailto only, without names and passwords in them. DOMPurify then goes through what came out.
 */
export function renderMarkdown(text: string): string {
  return purifier().sanitize(marked.parse(text, { async: false }), {
    ALLOWED_TAGS: ["p", "br", "hr", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "a", "table", "thead", "tbody", "tr", "th", "td"],
    ALLOWED_ATTR: ["href", "start", "align"],
    ADD_URI_SAFE_ATTR: ["start", "align"],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  });
}

const escapes: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => escapes[character] ?? character);

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }) => escapeHtml(text),
    image: ({ text }) => escapeHtml(text || "picture"),
    // A box that cannot be ticked says less than its sign.
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
    link({ href, tokens }) {
      const label = this.parser.parseInline(tokens);
      const url = harmlessUrl(href);
      return url === undefined ? label : `<a href="${escapeHtml(url)}">${label}</a>`;
    },
  },
});

/** The address without what could deceive or act; undefined where nothing is left. */
export function harmlessUrl(href: string): string | undefined {
  const url = URL.parse(href);
  if (!url || !["http:", "https:", "mailto:"].includes(url.protocol)) return undefined;
  url.username = "";
  url.password = "";
  return url.href;
}

let ready: typeof DOMPurify | undefined;

function purifier(): typeof DOMPurify {
  if (ready) return ready;
  ready = DOMPurify(window);
  ready.addHook("afterSanitizeAttributes", (node) => {
    if (node.tagName !== "A" || !node.hasAttribute("href")) return;
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer nofollow");
  });
  return ready;
}
