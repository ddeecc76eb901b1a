export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** The text right inside. */
  text: string;
}

/**
 * The elements of a document in their order.
 * @throws Error when tags do not match, an attribute is written twice or unquoted, or a character should have been escaped
 */
export function xmlElements(document: string): readonly XmlElement[] {
  const elements: XmlElement[] = [];
  const open: XmlElement[] = [];
  const token = /<(\/?)([a-z]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<>]+)/gy;
  let at = 0;
  for (let match = token.exec(document); match; match = token.exec(document)) {
    const [all, closing, name = "", attributes = "", empty, text] = match;
    at += all.length;
    if (/&(?!#\d+;)/.test(all)) throw new Error(`an ampersand that is not escaped: ${all}`);
    if (text !== undefined) {
      const inside = open.at(-1);
      if (inside) inside.text += text.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
      else if (text.trim() !== "") throw new Error(`text outside of the document: ${text}`);
    } else if (closing) {
      if (open.pop()?.name !== name) throw new Error(`</${name}> closes nothing`);
    } else {
      const pairs = [...attributes.matchAll(/([\w:-]+)="([^"]*)"/g)].map(([, key = "", value = ""]) => [key, value] as const);
      if (new Set(pairs.map(([key]) => key)).size < pairs.length) throw new Error(`an attribute twice: ${all}`);
      const element = { name, attributes: Object.fromEntries(pairs), text: "" };
      elements.push(element);
      if (!empty) open.push(element);
    }
  }
  if (at !== document.length) throw new Error(`no XML from here on: ${document.slice(at, at + 80)}`);
  if (open.length > 0) throw new Error(`<${open.at(-1)?.name}> is never closed`);
  return elements;
}

/** All texts of a figure. */
export function textsOf(document: string): readonly string[] {
  return xmlElements(document).flatMap(({ name, text }) => (name === "text" ? [text] : []));
}
