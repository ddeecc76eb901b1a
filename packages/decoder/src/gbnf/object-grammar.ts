import type { SchemaContext } from "./json-schema-grammar.js";
import { constant, stringExcept } from "./json-text.js";

/**
 * The body of an object's rule: required and optional properties in the order that the schema names them, then those of
 * additionalProperties.
 */
export function objectBody(context: SchemaContext, schema: Readonly<Record<string, unknown>>, path: string): string {
  const { properties: given = {}, required: needed = [], additionalProperties: additional = false } = schema;
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw context.problem(`${path}/properties`, "expected an object of schemas");
  if (!Array.isArray(needed) || needed.some((name) => typeof name !== "string")) throw context.problem(`${path}/required`, "expected an array of names");
  const properties = new Map<string, unknown>(Object.entries(given));
  for (const name of needed as string[]) {
    if (properties.has(name)) continue;
    if (schema["additionalProperties"] === false) throw context.problem(`${path}/required`, `expected ${JSON.stringify(name)} among the properties, since additionalProperties is false`);
    properties.set(name, schema["additionalProperties"] ?? true);
  }
  const ws = context.basic("ws");
  const required = new Set<string>(needed);
  const entries = [...properties].map(([name, value]) => ({
    rule: context.define("property", `${constant(name)} ${ws} ":" ${ws} ${context.rule(value, `${path}/properties/${name}`)}`),
    required: required.has(name),
  }));
  let others: string | undefined;
  if (additional !== false) {
    context.basic("plain");
    const key = stringExcept([...properties.keys()], context.define);
    const value = context.rule(additional, `${path}/additionalProperties`);
    const other = context.define("additional", `${key} ${ws} ":" ${ws} ${value}`);
    others = context.define("additionals", `${other} (${ws} "," ${ws} ${other})*`);
  }
  const comma = `${ws} "," ${ws}`;
  // From the last property to the first: what may follow when something came before, and when nothing did. Each step is a
  // rule of its own, so that the text grows with the number of properties and not with its square.
  let after = others === undefined ? undefined : context.define("rest", `(${comma} ${others})?`);
  let first: string | undefined = others === undefined ? undefined : context.define("rest", `${others}?`);
  for (const entry of entries.reverse()) {
    const present: string = after === undefined ? entry.rule : `${entry.rule} ${after}`;
    const withComma = `${comma} ${present}`;
    first = context.define("rest", entry.required ? present : `${present} | ${first ?? '""'}`);
    after = context.define("rest", entry.required ? withComma : `${withComma} | ${after ?? '""'}`);
  }
  return first === undefined ? `"{" ${ws} "}"` : `"{" ${ws} ${first} ${ws} "}"`;
}
