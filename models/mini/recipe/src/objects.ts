import { readFileSync } from "node:fs";

/** One thing that the model knows by name. */
export interface ObjectName {
  /** Singular, spelt as the art sets spell it. */
  readonly name: string;
  readonly plural: string;
  /** `a` or `an`; empty for a word used only in the plural (`scissors`). */
  readonly article: string;
}

/** The entries of `models/mini/objects.json`, in its order. */
export const objects: readonly ObjectName[] = readObjects(new URL("../../objects.json", import.meta.url));

/** The names alone, in the order of `objects.json`. */
export const objectNames: readonly string[] = objects.map((object) => object.name);

const byName = new Map(objects.map((object) => [object.name, object]));

/** The entry of `name`; throws for a name that `objects.json` does not list. */
export function objectNamed(name: string): ObjectName {
  const found = byName.get(name);
  if (found === undefined) throw new Error(`objectNamed: expected a name of objects.json, got "${name}"`);
  return found;
}

/** "a cat", "an owl", "scissors". */
export function withArticle(name: string): string {
  const { article } = objectNamed(name);
  return article === "" ? name : `${article} ${name}`;
}

function readObjects(url: URL): readonly ObjectName[] {
  const parsed = JSON.parse(readFileSync(url, "utf8")) as { objects?: unknown };
  if (!Array.isArray(parsed.objects)) throw new Error(`readObjects: expected {"objects": [...]} in ${url.pathname}`);
  return parsed.objects.map((entry: Partial<ObjectName>, index) => {
    if (typeof entry.name !== "string" || typeof entry.plural !== "string" || typeof entry.article !== "string") {
      throw new Error(`readObjects: entry ${index} of ${url.pathname} needs the strings name, plural and article`);
    }
    return { name: entry.name, plural: entry.plural, article: entry.article };
  });
}
