import { matchEnd } from "./match-end.js";

/** Addresses, tags and entities, as far as the reference keeps them whole. */

const space = " \\t\\n\\f\\r";
/** What an address may hold behind its host, and what it may end with. */
const path = `[^${space}"<>|()]`;
const pathEnd = `[^${space}"<>|.!?(){},\\-]`;
const fullUrl = new RegExp(`https?://${path}+${pathEnd}`, "iy");
const labelEnds = `${space}"$'(),\\-/:;<=>[\\]^_\`{|}!.?@\\\\A-Z`;
/** Bounded, so that text without spaces is not searched again from each of its characters. */
const label = `[^${labelEnds}0-9][^${labelEnds}0-9]{0,99}`;
const likelyUrl = new RegExp(`${label}\\.(?:(?=[A-Za-z\\u00c0-\\u1fff])${label}\\.){0,20}(?:[cC][oO][mM]|[nN][eE][tT]|[oO][rR][gG]|[eE][dD][uU])(?:/${path}+${pathEnd})?`, "y");
const wwwUrl = new RegExp(`www\\.(?:[^${space}"<>|.!?(){},]{1,99}\\.){1,20}[a-z]{2,4}(?:/${path}+${pathEnd})?`, "iy");
const anyUrl = /www\.|:\/\/|\.(?:com|net|org|edu)/i;
const mailEnds = new RegExp(`[${space}"<>()|{}\\u00a0]`, "g");
const handle = /@[A-Za-z_][A-Za-z_0-9]*/y;
const tagName = "[A-Za-z][A-Za-z0-9_:.-]*";
const tag = new RegExp(`<(?:[!?][A-Za-z-][^>]*|/${tagName} *|${tagName}(?: +${tagName}(?: *= *(?:'[^']*'|"[^"]*"))?)*[ /]*)>`, "y");
const entity = /&(?:#[0-9]+|amp|lt|gt|quot|apos|nbsp|[mn]dash|[aeiou](?:acute|grave|uml));/iy;

/** Looks for addresses in one text. What of the text is looked up once is kept, so that the work stays linear. */
export class WebNames {
  readonly #text: string;
  readonly #mayHoldUrls: boolean;
  readonly #lastAt: number;
  readonly #lastTagEnd: number;
  /** The stretch without spaces that was searched for an e-mail address last, its last @ that a host follows, and that host's end. */
  #mail = { from: 0, to: -1, at: -1, end: -1 };

  constructor(text: string) {
    this.#text = text;
    this.#mayHoldUrls = anyUrl.test(text);
    this.#lastAt = text.lastIndexOf("@");
    this.#lastTagEnd = text.lastIndexOf(">");
  }

  /** Where an address that starts at `at` ends, or `at`. */
  urlEnd(at: number): number {
    if (!this.#mayHoldUrls) return at;
    return Math.max(matchEnd(fullUrl, this.#text, at), matchEnd(likelyUrl, this.#text, at), matchEnd(wwwUrl, this.#text, at));
  }

  /** Where an e-mail address ends whose name starts at `at` with a letter or figure, a "<" before it counting in. */
  mailEnd(at: number): number {
    if (at >= this.#lastAt) return at;
    const text = this.#text;
    const name = text[at] === "<" ? at + 1 : at;
    if (!/[A-Za-z0-9]/.test(text[name] ?? "")) return at;
    if (name < this.#mail.from || name >= this.#mail.to) this.#mail = this.#mailAfter(name);
    if (this.#mail.at <= name) return at;
    return text[this.#mail.end] === ">" ? this.#mail.end + 1 : this.#mail.end;
  }

  #mailAfter(from: number): { from: number; to: number; at: number; end: number } {
    const text = this.#text;
    mailEnds.lastIndex = from;
    const to = mailEnds.exec(text)?.index ?? text.length;
    for (let at = text.lastIndexOf("@", to - 1); at > from; at = text.lastIndexOf("@", at - 1)) {
      const first = text[at + 1];
      if (at + 1 >= to || first === ".") continue;
      const gap = text.indexOf("..", at);
      let end = gap === -1 || gap > to ? to : gap;
      if (text[end - 1] === ".") end--;
      return { from, to, at, end };
    }
    return { from, to, at: -1, end: -1 };
  }

  handleEnd(at: number): number {
    return matchEnd(handle, this.#text, at);
  }

  /** Where the tag of a markup language at `at` ends, or `at`. */
  tagEnd(at: number): number {
    return at >= this.#lastTagEnd ? at : matchEnd(tag, this.#text, at);
  }

  entityEnd(at: number): number {
    return matchEnd(entity, this.#text, at);
  }
}
